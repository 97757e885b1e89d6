#include "channel.h"

#include <poll.h>

#include <algorithm>
#include <new>
#include <vector>

#include "clock.h"
#include "command_runner.h"
#include "json_log.h"
#include "wire_reports.h"

namespace tandem {

namespace {

/** From the connection to the hello. */
constexpr int64_t kHelloNs = 5 * kNsPerSecond;
/** Between two lines of the log about strangers. */
constexpr int64_t kTellAgainNs = 10 * kNsPerSecond;
/** For the last answer to reach the one who asked to end. */
constexpr int kFarewellMs = 1000;

/** Runs `body`, which writes a frame. What it throws is what the frame says in its stead. */
template <typename Body>
void reply(WireWriter& out, uint32_t number, Body&& body) {
  const auto refuse = [&](std::string_view code, std::string_view message) {
    out.drop();
    out.begin(WireReply::kError);
    out.u32(number);
    out.text(code);
    out.text(message);
  };
  out.begin(WireReply::kAnswer);
  out.u32(number);
  try {
    body();
    if (out.size() > kAnswerBytesMax) fail("the answer is too large: ask for less at once");
  } catch (const EdgeError& error) {
    refuse(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    refuse("EDGE_FAILED", "out of memory");
  }
  out.end();
}

}  // namespace

Channel::Channel(ChannelSocket& socket, Edge& edge, EventQueue& events, int64_t orphanNs,
                 int stopFd)
    : socket_(socket),
      edge_(edge),
      events_(events),
      orphanNs_(orphanNs),
      stopFd_(stopFd),
      startedNs_(nowNs()),
      orphanAtNs_(monotonicNs() + orphanNs) {}

void Channel::run() {
  while (!ending_) {
    std::vector<pollfd> polled = {
        {stopFd_, POLLIN, 0}, {socket_.fd(), POLLIN, 0}, {events_.fd(), POLLIN, 0}};
    for (const ChannelConnection& control : control_) {
      const bool isFull = control.pending() > kChannelPendingMax;
      const int wanted = (isFull ? 0 : POLLIN) | (control.pending() > 0 ? POLLOUT : 0);
      polled.push_back({control.fd(), static_cast<short>(wanted), 0});
    }
    const size_t firstWaiting = polled.size();
    for (const ChannelConnection& connection : waiting_)
      polled.push_back({connection.fd(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), timeoutMs()) < 0 && errno != EINTR) failErrno("poll");

    if (polled[0].revents != 0) {
      logInfo("told to end");
      return;
    }
    // Events first: a control that goes on in the next line was told what had been before.
    if (polled[2].revents != 0) tellEvents();
    if (firstWaiting > 3) serveControl((polled[3].revents & ~POLLOUT) != 0);
    size_t index = firstWaiting;
    for (auto next = waiting_.begin(); next != waiting_.end() && index < polled.size(); ++index) {
      const auto connection = next++;
      if (polled[index].revents != 0) greet(connection);
    }
    if (polled[1].revents != 0) acceptAll();
    endWaiting();
    if (!hasControl() && monotonicNs() >= orphanAtNs_) {
      logWarning("no control has come: all calls end");
      return;
    }
  }
}

int Channel::timeoutMs() const {
  int64_t dueNs = hasControl() ? INT64_MAX : orphanAtNs_;
  for (const ChannelConnection& connection : waiting_)
    dueNs = std::min(dueNs, connection.helloByNs());
  if (dueNs == INT64_MAX) return -1;
  const int64_t leftMs = (dueNs - monotonicNs() + kNsPerMs - 1) / kNsPerMs;
  return static_cast<int>(std::clamp<int64_t>(leftMs, 0, 1'000'000));
}

void Channel::acceptAll() {
  while (waiting_.size() < kConnectionsMax) {
    UniqueFd fd = socket_.accept();
    if (!fd.valid()) return;
    if (ChannelSocket::isOurs(fd.get())) {
      waiting_.emplace_back(std::move(fd), monotonicNs() + kHelloNs);
      continue;
    }
    ++strangers_;
    const int64_t now = monotonicNs();
    if (strangerToldNs_ != 0 && now - strangerToldNs_ < kTellAgainNs) continue;
    strangerToldNs_ = now;
    logWarning("a stranger was refused", {{"strangers", strangers_}});
  }
  // One who waits without a word makes room for those who may have one.
  waiting_.pop_front();
}

void Channel::endWaiting() {
  const int64_t now = monotonicNs();
  waiting_.remove_if([now](const ChannelConnection& c) { return c.helloByNs() <= now; });
}

void Channel::greet(Connections::iterator from) {
  try {
    if (!from->receive()) {
      waiting_.erase(from);
      return;
    }
    const auto frame = from->frames().next(kHelloBytesMax);
    if (!frame) return;
    if (greetWith(*from, *frame)) {
      takeOver(from);
      return;
    }
  } catch (const WireError& error) {
    ++malformed_;
    logWarning("a connection was closed before its hello", {{"reason", error.what()}});
  }
  waiting_.erase(from);
}

bool Channel::greetWith(ChannelConnection& connection, std::span<const uint8_t> frame) {
  WireReader reader(frame.data(), frame.size());
  if (static_cast<WireCommand>(reader.u8()) != WireCommand::kHello)
    throw WireError("the first command is not hello");
  const uint32_t number = reader.u32();
  const auto hello = std::get<HelloCommand>(readCommand(WireCommand::kHello, reader));
  if (hello.magic != kWireMagic) throw WireError("hello is of something else");
  // Who gave up waiting takes nobody's place.
  if (connection.isEnded()) return false;
  WireWriter out(connection.out());
  bool isWelcome = true;
  reply(out, number, [&] {
    if (hello.version != kWireVersion) {
      isWelcome = false;
      throw EdgeError("EDGE_VERSION", "the edge, process " + std::to_string(getpid()) +
                                          ", speaks version " + std::to_string(kWireVersion) +
                                          ", not " + std::to_string(hello.version));
    }
    writeHello(out);
  });
  return connection.flush() && isWelcome;
}

void Channel::takeOver(Connections::iterator from) {
  if (hasControl()) loseControl("another one has taken over");
  control_.splice(control_.end(), waiting_, from);
  ++controls_;
  logInfo("a control has come", {{"controls", controls_}});
  serveControl(false);
}

void Channel::serveControl(bool isReadable) {
  ChannelConnection& control = control_.front();
  try {
    if (!control.flush() || (isReadable && !control.receive())) {
      loseControl("its connection has ended");
      return;
    }
    while (!ending_ && runNext(control)) {
    }
    if (!control.flush()) loseControl("its connection has ended");
  } catch (const WireError& error) {
    ++malformed_;
    loseControl(error.what());
  }
  // Nothing more comes here; what was said before still goes.
  if (!ending_) return;
  pollfd last{control.fd(), POLLOUT, 0};
  while (hasControl() && control.pending() > 0 && poll(&last, 1, kFarewellMs) == 1 &&
         control.flush()) {
  }
}

bool Channel::runNext(ChannelConnection& control) {
  if (control.pending() > kChannelPendingMax && !control.flush()) return false;
  // Who does not read is not answered any further.
  if (control.pending() > kChannelPendingMax) return false;
  const auto frame = control.frames().next(kCommandBytesMax);
  if (!frame) return false;
  answer(control, *frame);
  return true;
}

void Channel::answer(ChannelConnection& control, std::span<const uint8_t> frame) {
  WireReader reader(frame.data(), frame.size());
  const auto name = static_cast<WireCommand>(reader.u8());
  const uint32_t number = reader.u32();
  WireWriter out(control.out());
  reply(out, number, [&] {
    const EdgeCommand command = readCommand(name, reader);
    if (std::holds_alternative<StatusCommand>(command)) {
      writeStatus(out);
    } else if (std::holds_alternative<CountersCommand>(command)) {
      Counters counters = edge_.counters();
      counters.droppedEvents = events_.dropped();
      write(out, counters);
    } else if (std::holds_alternative<ShutdownCommand>(command)) {
      logInfo("control ends it");
      edge_.endCalls();
      ending_ = true;
    } else {
      runCommand(edge_, command, out);
    }
  });
}

void Channel::tellEvents() {
  for (const Event& event : events_.take()) {
    if (!hasControl() || control_.front().pending() > kChannelPendingMax) {
      events_.drop();
      continue;
    }
    WireWriter out(control_.front().out());
    out.begin(WireReply::kEvent);
    write(out, event);
    out.end();
  }
}

void Channel::loseControl(const char* why) {
  control_.clear();
  orphanAtNs_ = monotonicNs() + orphanNs_;
  // Its mediasoup workers end with it.
  edge_.bypassRelays();
  logWarning("control is gone", {{"reason", why}});
}

void Channel::writeHello(WireWriter& out) {
  out.u16(kWireVersion);
  out.u32(static_cast<uint32_t>(getpid()));
  out.time(startedNs_);
  out.time(clockOffsetNs.load());
  out.u32(edge_.threads());
  for (uint32_t shard = 0; shard < edge_.threads(); ++shard) write(out, edge_.relayAddress(shard));
  write(out, edge_.legs());
}

void Channel::writeStatus(WireWriter& out) const {
  out.count(controls_);
  out.count(strangers_);
  out.count(malformed_);
  out.count(events_.dropped());
}

}  // namespace tandem
