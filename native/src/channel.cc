#include "channel.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
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
/** From the start of a successor to the return of its control: that comes at once if it lives. */
constexpr int64_t kBackNs = kNsPerSecond;
/** `what` and the number, which the same order has another one of when it is told again. */
constexpr size_t kOrderHeadBytes = 5;

bool isLook(WireCommand name) {
  return name == WireCommand::kInventory || name == WireCommand::kStatus;
}

bool takesAway(const EdgeCommand& command) {
  return std::holds_alternative<ClosePortCommand>(command) ||
         std::holds_alternative<TakeStockCommand>(command) ||
         std::holds_alternative<RemoveForksCommand>(command);
}

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

Channel::Channel(ChannelSocket& socket, Edge& edge, EventQueue& events, OrderBook& orders,
                 Beat& beat, const ChannelOptions& options)
    : socket_(socket),
      edge_(edge),
      events_(events),
      orders_(orders),
      beat_(beat),
      options_(options),
      orphanAtNs_(monotonicNs() + options.orphanNs),
      backByNs_(options.isSuccessor ? monotonicNs() + kBackNs : INT64_MAX) {}

void Channel::run() {
  serveUntilEnd();
  // Recorders are told goodbye, which takes as long as there are.
  beat_.rest();
}

void Channel::serveUntilEnd() {
  while (!ending_) {
    beat_.show(monotonicNs());
    std::vector<pollfd> polled = {
        {options_.stopFd, POLLIN, 0}, {socket_.fd(), POLLIN, 0}, {events_.fd(), POLLIN, 0}};
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
    edge_.countDroppedEvents(events_.dropped());
    if (firstWaiting > 3) serveControl((polled[3].revents & ~POLLOUT) != 0);
    size_t index = firstWaiting;
    for (auto next = waiting_.begin(); next != waiting_.end() && index < polled.size(); ++index) {
      const auto connection = next++;
      if (polled[index].revents != 0) greet(connection);
    }
    if (polled[1].revents != 0) acceptAll();
    endWaiting();
    if (monotonicNs() >= backByNs_) {
      logWarning("the control of the edge that was killed does not come back");
      bypassRelays();
    }
    if (!hasControl() && monotonicNs() >= orphanAtNs_) {
      logWarning("no control has come: all calls end");
      return;
    }
  }
}

int Channel::timeoutMs() const {
  int64_t dueNs = std::min(hasControl() ? INT64_MAX : orphanAtNs_, backByNs_);
  for (const ChannelConnection& connection : waiting_)
    dueNs = std::min(dueNs, connection.helloByNs());
  if (dueNs == INT64_MAX) return kBeatMs;
  const int64_t leftMs = (dueNs - monotonicNs() + kNsPerMs - 1) / kNsPerMs;
  return static_cast<int>(std::clamp<int64_t>(leftMs, 0, kBeatMs));
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
  const auto name = static_cast<WireCommand>(reader.u8());
  const bool isBack = name == WireCommand::kResume;
  if (name != WireCommand::kHello && !isBack) throw WireError("the first command is not hello");
  const uint32_t number = reader.u32();
  const EdgeCommand command = readCommand(name, reader);
  const auto hello =
      isBack ? std::get<ResumeCommand>(command).hello : std::get<HelloCommand>(command);
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
    if (isBack && !orders_.isOf(std::get<ResumeCommand>(command).session)) {
      isWelcome = false;
      throw EdgeError("EDGE_LOST", "the edge has another control, or is another edge");
    }
    if (!isBack) orders_.beginSession();
    writeHello(out);
  });
  return connection.flush() && isWelcome;
}

void Channel::takeOver(Connections::iterator from) {
  // The same one that comes back is not another one.
  const bool isBack = orders_.isOf(session_);
  if (hasControl() && isBack) control_.clear();
  if (hasControl()) loseControl("another one has taken over");
  session_ = orders_.session();
  backByNs_ = INT64_MAX;
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
  beat_.show(monotonicNs());
  WireReader reader(frame.data(), frame.size());
  const auto name = static_cast<WireCommand>(reader.u8());
  const uint32_t number = reader.u32();
  if (name == WireCommand::kHello || name == WireCommand::kResume)
    throw WireError("hello is said once");
  if (orders_.wasDone(number) && !isLook(name)) {
    answerAgain(control, number);
    return;
  }
  const uint64_t digest =
      OrderBook::digestOf(frame.subspan(kOrderHeadBytes)) ^ static_cast<uint64_t>(name);
  const auto idsBefore = orders_.idsBefore(number);
  const size_t from = control.out().size();
  WireWriter out(control.out());
  reply(out, number, [&] {
    const EdgeCommand command = readCommand(name, reader);
    if (orders_.isFatal(digest)) {
      throw EdgeError("EDGE_ORDER_REFUSED",
                      "the edge was killed in the course of this order more than once");
    }
    orders_.begin(number, digest, edge_.idsGiven());
    edge_.beginAgain(idsBefore);
    carryOut(command, out, idsBefore.has_value());
  });
  edge_.beginAgain({});
  const std::span<const uint8_t> answer(control.out());
  orders_.finish(number, isLook(name) ? std::span<const uint8_t>() : answer.subspan(from));
}

void Channel::answerAgain(ChannelConnection& control, uint32_t number) {
  if (const auto answer = orders_.answerTo(number)) {
    control.out().insert(control.out().end(), answer->begin(), answer->end());
    return;
  }
  WireWriter out(control.out());
  reply(out, number, [] {
    throw EdgeError("EDGE_LOST", "the order was carried out, and its answer is not there any more");
  });
}

void Channel::carryOut(const EdgeCommand& command, WireWriter& out, bool isAgain) {
  if (const auto* open = std::get_if<OpenPortCommand>(&command)) carryOutFault(*open);
  if (std::holds_alternative<StatusCommand>(command)) {
    writeStatus(out);
    return;
  }
  if (std::holds_alternative<ShutdownCommand>(command)) {
    logInfo("control ends it");
    beat_.rest();
    edge_.endCalls();
    ending_ = true;
    return;
  }
  try {
    runCommand(edge_, command, out);
  } catch (const EdgeError& error) {
    // The edge that was killed had taken it away, and told nobody.
    if (isAgain && takesAway(command)) throw EdgeError("EDGE_LOST", error.what());
    throw;
  }
}

void Channel::carryOutFault(const OpenPortCommand& command) {
  const auto isAt = [&](const std::optional<Address>& host) {
    return host && command.host == *host;
  };
  if (isAt(options_.fatalHost)) abort();
  if (!isAt(options_.hangHost)) return;
  edge_.onEveryThread([] {
    while (true) pause();
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
  orphanAtNs_ = monotonicNs() + options_.orphanNs;
  bypassRelays();
  logWarning("control is gone", {{"reason", why}});
}

// Mediasoup's workers end with control.
void Channel::bypassRelays() {
  backByNs_ = INT64_MAX;
  edge_.bypassRelays();
}

void Channel::writeHello(WireWriter& out) {
  out.u16(kWireVersion);
  out.u32(static_cast<uint32_t>(getpid()));
  out.time(edge_.memory().map().header().startedAtNs);
  out.time(clockOffsetNs.load());
  out.u32(edge_.threads());
  out.text(edge_.memory().path());
  out.u32(static_cast<uint32_t>(orders_.session()));
  out.u32(static_cast<uint32_t>(orders_.session() >> 32));
  out.u32(options_.starts);
}

void Channel::writeStatus(WireWriter& out) const {
  out.count(controls_);
  out.count(strangers_);
  out.count(malformed_);
  out.count(events_.dropped());
}

}  // namespace tandem
