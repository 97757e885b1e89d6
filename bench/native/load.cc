// The load generator: every party of every call, and the recorders' ends of the legs. Told what to
// do by lines on standard input, answers with lines of JSON on standard output:
//
//   seed N                     order of the streams, first sequence numbers and timestamps
//   log FILE                   packets sent, as LogRecord (sender.h)
//   party IP PEER SSRC PT PTIME_MS TIMESTAMP_STEP PAYLOAD_BYTES
//                              streams are numbered from 0 in this order; PEER is the number of the
//                              other party's
//   sink                       a recorder: one socket that stands for every address of this machine
//   bind                       -> {"event":"bound","partyPort":P,"sinkPorts":[P,...]}; receives
//   from now on to STREAM IP PORT          where a party sends to start WARMUP_MS MEASURE_MS 0:
//   until stopped -> {"event":"measuring"}, {"event":"measured"}, {"event":"done"} stop
//
// Ends at the end of its input.

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <iostream>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include "packet.h"
#include "receiver.h"
#include "sender.h"
#include "sockets.h"

namespace bench {
namespace {

/** For packets under way when the last one has been sent. */
constexpr int64_t kDrainNs = 500 * kNsPerMs;

void print(const std::string& line) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::cout << line << std::endl;
}

void sleepNs(int64_t ns) {
  const timespec pause{ns / kNsPerSecond, ns % kNsPerSecond};
  nanosleep(&pause, nullptr);
}

class Load {
 public:
  Load() : finished_(eventfd(0, EFD_CLOEXEC)) { places_.emplace_back(); }

  int finishedFd() const { return finished_; }

  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "seed") {
      words >> seed_;
    } else if (command == "log") {
      openLog(words);
    } else if (command == "party") {
      addParty(words);
    } else if (command == "sink") {
      places_.emplace_back();
    } else if (command == "bind") {
      bindAll();
    } else if (command == "to") {
      setDestination(words);
    } else if (command == "start") {
      start(words);
    } else if (command == "stop") {
      stopSending_.store(true);
    } else if (!command.empty()) {
      die("unknown command: " + line);
    }
    if (words.fail()) die("malformed: " + line);
  }

  void finish() {
    sender_.join();
    sleepNs(kDrainNs);
    stopReceiving_.store(true);
    receiving_.join();
    if (log_ != nullptr && fclose(log_) != 0) dieErrno("log");
    report();
  }

 private:
  void openLog(std::istringstream& words) {
    std::string file;
    words >> file;
    log_ = fopen(file.c_str(), "wb");
    if (log_ == nullptr) dieErrno(file);
  }

  void addParty(std::istringstream& words) {
    Stream stream;
    std::string ip;
    int64_t ptimeMs = 0;
    int payloadType = 0;
    words >> ip >> stream.peer >> stream.ssrc >> payloadType >> ptimeMs >> stream.timestampStep >>
        stream.payloadBytes;
    if (stream.payloadBytes < kMarkBytes || stream.payloadBytes > kPayloadBytesMax || ptimeMs < 1) {
      die("party out of bounds");
    }
    stream.from = parseIp(ip);
    stream.payloadType = static_cast<uint8_t>(payloadType);
    stream.intervalNs = ptimeMs * kNsPerMs;
    streams_.push_back(stream);
  }

  void bindAll() {
    std::string sinkPorts;
    for (Place& place : places_) {
      place.sockets = openPair();
      place.arrivals.resize(streams_.size());
      if (&place == &places_.front()) continue;
      sinkPorts += (sinkPorts.empty() ? "" : ",") + std::to_string(place.sockets.port);
    }
    receiver_.emplace(places_, streams_, window_);
    receiving_ = std::thread([this] { receiver_->run(stopReceiving_); });
    print("{\"event\":\"bound\",\"partyPort\":" + std::to_string(places_.front().sockets.port) +
          ",\"sinkPorts\":[" + sinkPorts + "]}");
  }

  void setDestination(std::istringstream& words) {
    size_t index = 0;
    std::string ip;
    uint16_t port = 0;
    words >> index >> ip >> port;
    if (index >= streams_.size()) die("no such stream");
    sockaddr_in& to = streams_[index].to;
    to.sin_family = AF_INET;
    to.sin_addr = parseIp(ip);
    to.sin_port = htons(port);
  }

  void start(std::istringstream& words) {
    int64_t warmupMs = 0;
    int64_t measureMs = 0;
    words >> warmupMs >> measureMs;
    if (!receiver_ || sender_.joinable()) die("start: bind first, and start once");
    const Sender::Options options{.fd = places_.front().sockets.rtp,
                                  .seed = seed_,
                                  .warmupNs = warmupMs * kNsPerMs,
                                  .measureNs = measureMs * kNsPerMs,
                                  .log = log_};
    sender_ = std::thread([this, options] {
      result_ = std::make_unique<Sender>(streams_, window_, options)
                    ->run(stopSending_, [](const char* phase, uint64_t sent) {
                      print("{\"event\":\"" + std::string(phase) +
                            "\",\"sentPackets\":" + std::to_string(sent) + "}");
                    });
      eventfd_write(finished_, 1);
    });
  }

  void report() {
    uint64_t sent = 0;
    for (const Stream& stream : streams_) sent += stream.sent;
    std::ostringstream out;
    out << "{\"event\":\"done\",\"sentPackets\":" << sent
        << ",\"sendErrors\":" << result_.sendErrors
        << ",\"lateUsMax\":" << static_cast<double>(result_.lateNsMax) / 1'000 << ",\"lateUsMean\":"
        << (sent == 0 ? 0
                      : static_cast<double>(result_.lateNsSum) / 1'000 / static_cast<double>(sent));
    writeDelays(out);
    out << ",\"parties\":";
    writePlace(out, places_.front());
    out << ",\"sinks\":[";
    for (size_t i = 1; i < places_.size(); ++i) {
      if (i > 1) out << ',';
      writePlace(out, places_[i]);
    }
    out << "],\"sentByStream\":[";
    for (size_t i = 0; i < streams_.size(); ++i) out << (i == 0 ? "" : ",") << streams_[i].sent;
    out << "]}";
    print(out.str());
  }

  void writeDelays(std::ostringstream& out) {
    std::vector<uint32_t>& delays = receiver_->delaysNs();
    std::sort(delays.begin(), delays.end());
    const auto at = [&delays](double share) {
      const auto index = static_cast<size_t>(share * static_cast<double>(delays.size() - 1) + 0.5);
      return static_cast<double>(delays[index]) / 1'000;
    };
    out << ",\"delayUs\":";
    if (delays.empty()) {
      out << "null";
    } else {
      out << "{\"count\":" << delays.size() << ",\"p50\":" << at(0.5) << ",\"p90\":" << at(0.9)
          << ",\"p99\":" << at(0.99) << ",\"p999\":" << at(0.999) << ",\"max\":" << at(1) << '}';
    }
  }

  void writePlace(std::ostringstream& out, const Place& place) {
    uint64_t duplicates = 0;
    uint64_t reordered = 0;
    std::ostringstream received;
    for (size_t i = 0; i < place.arrivals.size(); ++i) {
      const Arrivals& arrivals = place.arrivals[i];
      duplicates += arrivals.duplicates;
      reordered += arrivals.reordered;
      received << (i == 0 ? "" : ",") << arrivals.received;
    }
    out << "{\"duplicatePackets\":" << duplicates << ",\"reorderedPackets\":" << reordered
        << ",\"rtcpPackets\":" << place.rtcpPackets
        << ",\"foreignPackets\":" << place.foreignPackets
        << ",\"damagedPackets\":" << place.damagedPackets
        << ",\"misroutedPackets\":" << place.misroutedPackets
        << ",\"kernelDrops\":" << place.kernelDrops << ",\"receivedByStream\":[" << received.str()
        << "]}";
  }

  uint64_t seed_ = 1;
  FILE* log_ = nullptr;
  int finished_;
  std::vector<Stream> streams_;
  std::vector<Place> places_;
  Window window_;
  std::atomic<bool> stopSending_{false};
  std::atomic<bool> stopReceiving_{false};
  std::optional<Receiver> receiver_;
  SenderResult result_;
  std::thread receiving_;
  std::thread sender_;
};

}  // namespace
}  // namespace bench

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  bench::Load load;
  std::string pending;
  pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {load.finishedFd(), POLLIN, 0}};
  for (;;) {
    if (poll(polled, 2, -1) < 0) continue;
    if ((polled[1].revents & POLLIN) != 0) {
      load.finish();
      _exit(0);
    }
    if (polled[0].revents == 0) continue;
    char buffer[65'536];
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size <= 0) _exit(1);
    pending.append(buffer, static_cast<size_t>(size));
    size_t begin = 0;
    for (size_t end; (end = pending.find('\n', begin)) != std::string::npos; begin = end + 1) {
      load.obey(pending.substr(begin, end - begin));
    }
    pending.erase(0, begin);
  }
}
