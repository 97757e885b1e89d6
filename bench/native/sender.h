#pragma once

#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "packet.h"
#include "sockets.h"

namespace bench {

/** One party's outgoing stream. */
struct Stream {
  in_addr from{};
  sockaddr_in to{};
  /** Index of the stream whose sender is to receive this one. */
  uint32_t peer = 0;
  uint32_t ssrc = 0;
  uint8_t payloadType = 0;
  int64_t intervalNs = 20 * kNsPerMs;
  uint32_t timestampStep = 160;
  size_t payloadBytes = 160;
  uint32_t firstTimestamp = 0;
  uint16_t firstSequence = 0;
  /** When its next packet is due, jitter aside. */
  int64_t slotNs = 0;
  /** Packets made; those that the kernel refused (`sendErrors`) are among them and so count as
   * lost. */
  uint32_t sent = 0;
};

/** One record of the send log, host byte order: a packet that the kernel took. */
struct LogRecord {
  uint32_t stream;
  uint32_t number;
  uint32_t timestamp;
  uint16_t sequence;
  uint16_t zero;
  uint64_t sentNs;
};
static_assert(sizeof(LogRecord) == 24);

struct SenderResult {
  uint64_t sendErrors = 0;
  /** How far behind its schedule a packet was sent, at worst and on average. */
  int64_t lateNsMax = 0;
  int64_t lateNsSum = 0;
};

/** The measured part of a run, Unix ns. What is sent before is warm-up. */
struct Window {
  std::atomic<int64_t> beginNs{INT64_MAX};
  std::atomic<int64_t> endNs{INT64_MAX};
};

/** Sends every stream at its pace, the streams spread evenly over the interval in an order that the
 * seed decides. */
class Sender {
 public:
  struct Options {
    int fd;
    uint64_t seed;
    int64_t warmupNs;
    /** 0: until stopped. */
    int64_t measureNs;
    FILE* log;
  };

  Sender(std::vector<Stream>& streams, Window& window, const Options& options)
      : streams_(streams), window_(window), options_(options), random_(options.seed) {
    for (size_t i = 0; i < kBatch; ++i) {
      vectors_[i].iov_base = packets_[i];
      msghdr& header = messages_[i].msg_hdr;
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = controls_[i].bytes;
      header.msg_controllen = sizeof controls_[i].bytes;
      header.msg_namelen = sizeof(sockaddr_in);
      cmsghdr* control = CMSG_FIRSTHDR(&header);
      control->cmsg_level = IPPROTO_IP;
      control->cmsg_type = IP_PKTINFO;
      control->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    }
  }

  /** Blocks until the run is over. `onPhase` is called when the window begins and when it ends. */
  SenderResult run(const std::atomic<bool>& stopping,
                   const std::function<void(const char*, uint64_t)>& onPhase) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    const int64_t startNs = nowNs(CLOCK_MONOTONIC) + 2 * kNsPerMs;
    scheduleAll(startNs);
    const int64_t beginNs = startNs + options_.warmupNs;
    const int64_t endNs = options_.measureNs == 0 ? INT64_MAX : beginNs + options_.measureNs;
    bool measuring = false;
    int64_t wakeNs = 0;
    while (!due_.empty() && !stopping.load(std::memory_order_relaxed)) {
      const int64_t next = due_.top().first;
      if (next >= endNs) break;
      wakeNs = std::max(next, wakeNs + kWakeIntervalNs);
      sleepUntil(wakeNs);
      if (!measuring && next >= beginNs) {
        measuring = true;
        window_.beginNs.store(nowNs(CLOCK_REALTIME));
        onPhase("measuring", sentPackets_);
      }
      sendDue(nowNs(CLOCK_MONOTONIC), endNs);
    }
    window_.endNs.store(nowNs(CLOCK_REALTIME));
    onPhase("measured", sentPackets_);
    return result_;
  }

 private:
  static constexpr size_t kBatch = 16;
  /** What is due within it goes in one batch. */
  static constexpr int64_t kWakeIntervalNs = 50'000;
  static constexpr int64_t kJitterNsMin = 100'000;
  static constexpr int64_t kJitterNsMax = kNsPerMs;
  using Due = std::pair<int64_t, uint32_t>;

  void scheduleAll(int64_t startNs) {
    std::vector<uint32_t> order(streams_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    for (size_t slot = 0; slot < order.size(); ++slot) {
      Stream& stream = streams_[order[slot]];
      stream.firstSequence = static_cast<uint16_t>(random_());
      stream.firstTimestamp = static_cast<uint32_t>(random_());
      const int64_t gapNs = stream.intervalNs / static_cast<int64_t>(order.size());
      jitterNs_ = std::clamp(gapNs, kJitterNsMin, kJitterNsMax);
      stream.slotNs = startNs + static_cast<int64_t>(slot) * gapNs;
      schedule(order[slot]);
    }
  }

  void schedule(uint32_t index) {
    const auto jitterNs = static_cast<int64_t>(random_() % static_cast<uint64_t>(jitterNs_));
    due_.emplace(streams_[index].slotNs + jitterNs, index);
  }

  static void sleepUntil(int64_t deadlineNs) {
    const timespec until{deadlineNs / kNsPerSecond, deadlineNs % kNsPerSecond};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) continue;
  }

  void sendDue(int64_t now, int64_t endNs) {
    while (due_.top().first <= now && due_.top().first < endNs) {
      size_t count = 0;
      const auto sentNs = static_cast<uint64_t>(nowNs(CLOCK_REALTIME));
      while (count < kBatch && due_.top().first <= now && due_.top().first < endNs) {
        const auto [deadlineNs, index] = due_.top();
        due_.pop();
        streams_[index].slotNs += streams_[index].intervalNs;
        schedule(index);
        result_.lateNsMax = std::max(result_.lateNsMax, now - deadlineNs);
        result_.lateNsSum += now - deadlineNs;
        prepare(count++, index, sentNs);
      }
      transmit(count);
    }
  }

  void prepare(size_t slot, uint32_t index, uint64_t sentNs) {
    Stream& stream = streams_[index];
    const uint32_t number = stream.sent++;
    const RtpFields rtp{.ssrc = stream.ssrc,
                        .timestamp = stream.firstTimestamp + number * stream.timestampStep,
                        .sequence = static_cast<uint16_t>(stream.firstSequence + number),
                        .payloadType = stream.payloadType,
                        .marker = number == 0};
    marks_[slot] = {.stream = index, .number = number, .sentNs = sentNs};
    writePacket(packets_[slot], rtp, marks_[slot], stream.payloadBytes);
    vectors_[slot].iov_len = kRtpHeaderBytes + stream.payloadBytes;
    msghdr& header = messages_[slot].msg_hdr;
    header.msg_name = &stream.to;
    in_pktinfo info{};
    info.ipi_spec_dst = stream.from;
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &info, sizeof info);
  }

  void transmit(size_t count) {
    for (size_t next = 0; next < count;) {
      const int done =
          sendmmsg(options_.fd, &messages_[next], static_cast<unsigned>(count - next), 0);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) {
        ++result_.sendErrors;
        ++next;
        continue;
      }
      sentPackets_ += static_cast<uint64_t>(done);
      for (const size_t end = next + static_cast<size_t>(done); next < end; ++next)
        log(marks_[next]);
    }
  }

  void log(const Mark& mark) {
    if (options_.log == nullptr) return;
    const Stream& stream = streams_[mark.stream];
    const LogRecord record{.stream = mark.stream,
                           .number = mark.number,
                           .timestamp = stream.firstTimestamp + mark.number * stream.timestampStep,
                           .sequence = static_cast<uint16_t>(stream.firstSequence + mark.number),
                           .zero = 0,
                           .sentNs = mark.sentNs};
    fwrite(&record, sizeof record, 1, options_.log);
  }

  struct alignas(8) Control {
    char bytes[CMSG_SPACE(sizeof(in_pktinfo))];
  };

  std::vector<Stream>& streams_;
  Window& window_;
  Options options_;
  std::mt19937_64 random_;
  int64_t jitterNs_ = kJitterNsMin;
  SenderResult result_;
  uint64_t sentPackets_ = 0;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  mmsghdr messages_[kBatch]{};
  iovec vectors_[kBatch]{};
  Control controls_[kBatch]{};
  Mark marks_[kBatch]{};
  uint8_t packets_[kBatch][kRtpHeaderBytes + kPayloadBytesMax];
};

}  // namespace bench
