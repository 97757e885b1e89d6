#include "shard.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "clock.h"
#include "slot_reports.h"

namespace tandem {

namespace {

/** Between two bursts of forks that catch up. */
constexpr int64_t kPaceNs = 5 * kNsPerMs;
/** Slow duties: RTCP that is due, events held back. */
constexpr int64_t kTickNs = 50 * kNsPerMs;
static_assert(kTickNs <= kBeatMs * kNsPerMs);
/** That a command is looked for before its sender sleeps. */
constexpr int64_t kSpinNs = kNsPerMs / 5;
constexpr int kSpinsPerLook = 32;

/** Tells the CPU that this is a loop of waiting. */
void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Shard::Shard(const ShardOptions& options, EdgeMemory& memory, EventSink& events)
    : index_(options.index),
      beat_(options.beat),
      context_(events, memory, memory.map().shard(options.index)),
      relay_(context_.record.relay) {
  prepare(options);
  watch(relay_.fd(), &relay_.source());
  startThread();
}

Shard::Shard(const ShardOptions& options, EdgeMemory& memory, EventSink& events, UdpSocket relay)
    : index_(options.index),
      beat_(options.beat),
      context_(events, memory, memory.map().shard(options.index)),
      relay_(context_.record.relay, std::move(relay)) {
  prepare(options);
  startThread();
}

void Shard::prepare(const ShardOptions& options) {
  if (!epoll_.valid() || !wake_.valid()) failErrno("epoll");
  context_.relay = &relay_;
  context_.catchUpRate = options.catchUpRate;
  context_.rtcpIntervalNs = options.rtcpIntervalNs;
  context_.cname = options.cname;
  watch(wake_.get(), nullptr);
}

void Shard::startThread() {
  // Signals are for the main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), ("edge-" + std::to_string(index_)).c_str());
}

Shard::~Shard() { stop(); }

void Shard::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  eventfd_write(wake_.get(), 1);
  thread_.join();
}

void Shard::submit(const std::function<void()>& command) {
  begin(command);
  finish();
}

void Shard::begin(const std::function<void()>& command) {
  if (!thread_.joinable()) fail("the edge is closed");
  command_.store(&command, std::memory_order_release);
  eventfd_write(wake_.get(), 1);
}

// The edge thread answers within microseconds as a rule. To sleep is to give up the CPU, and on a
// busy machine to get it back milliseconds later: too long where a recorder's death makes hundreds
// of commands. So it looks for a moment before it sleeps.
void Shard::finish() {
  static const bool alone = std::thread::hardware_concurrency() < 2;
  const int64_t untilNs = alone ? 0 : monotonicNs() + kSpinNs;
  do {
    for (int i = 0; i < kSpinsPerLook; ++i) {
      if (done_.try_acquire()) return;
      relax();
    }
  } while (monotonicNs() < untilNs);
  done_.acquire();
}

void Shard::watch(int fd, Source* source) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = source;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) failErrno("epoll_ctl");
}

void Shard::loop() {
  std::array<epoll_event, kReadyMax> events;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const int ready = epoll_wait(epoll_.get(), events.data(), kReadyMax, timeoutMs());
    ++context_.counters.wakeups;
    context_.monotonicNow = monotonicNs();
    if (beat_ != nullptr) beat_->show(context_.monotonicNow);
    bool commanded = false;
    // The parties' packets, to each other and into the rings.
    for (int i = 0; i < ready; ++i) {
      auto* source = static_cast<Source*>(events[static_cast<size_t>(i)].data.ptr);
      if (source == nullptr) {
        commanded = true;
      } else {
        source->onReady(context_);
      }
    }
    relay_.flush(context_);
    relay_.judgeSuspects(context_);
    // And only then the recorders.
    sendToLegs();
    publish();
    for (Capture* capture : context_.dirtyCaptures) capture->flush(context_);
    context_.dirtyCaptures.clear();
    // A command may take away what was woken, so it comes when all that were woken are served.
    if (commanded) runCommand();
  }
}

int Shard::timeoutMs() const {
  if (hasWorkLeft()) return 0;
  int64_t due = INT64_MAX;
  if (!context_.catchingUp.empty()) due = nextPaceNs_;
  if (!forks_.empty() || !captures_.empty()) due = std::min(due, nextTickNs_);
  const int longest = beat_ == nullptr ? -1 : kBeatMs;
  if (due == INT64_MAX) return longest;
  const int64_t left = due - monotonicNs();
  // Not longer than a tick, which comes more often than a beat.
  return left <= 0 ? 0 : static_cast<int>((left + kNsPerMs - 1) / kNsPerMs);
}

// A slice of the work: what is left of it waits until the parties' sockets have been looked at.
void Shard::sendToLegs() {
  for (Leg& leg : legs_) leg.socket->unblock();
  context_.legSlice = kLegSlice;
  offerToForks();
  const bool roundEnds = paceForks();
  for (Leg& leg : legs_) leg.socket->flush(context_);
  if (roundEnds)
    std::erase_if(context_.catchingUp, [this](Fork* fork) { return fork->settle(context_); });
  if (context_.monotonicNow >= nextTickNs_) runTick();
}

void Shard::offerToForks() {
  size_t done = 0;
  for (; done < context_.dirty.size(); ++done) {
    Port& port = *context_.dirty[done];
    bool isLevel = true;
    for (Fork* fork : port.forks()) isLevel = fork->offer(context_) && isLevel;
    if (!isLevel) break;
    port.dirty = false;
  }
  context_.dirty.erase(context_.dirty.begin(),
                       context_.dirty.begin() + static_cast<std::ptrdiff_t>(done));
}

bool Shard::paceForks() {
  auto& forks = context_.catchingUp;
  if (forks.empty()) paceRound_.breakOff();
  if (paceRound_.isOver() && context_.monotonicNow >= nextPaceNs_) {
    nextPaceNs_ = context_.monotonicNow + kPaceNs;
    paceRound_.begin(forks.size());
    paceBudget_ = kCatchUpBudget;
  }
  if (paceRound_.isOver()) return false;
  const size_t share = std::clamp<size_t>(kCatchUpBudget / forks.size(), 1, kCatchUpBurst);
  while (!paceRound_.isOver() && context_.legSlice > 0) {
    const size_t before = context_.legSlice;
    forks[paceRound_.next(forks.size())]->catchUp(context_, share);
    paceBudget_ -= std::min(paceBudget_, before - context_.legSlice);
    if (paceBudget_ == 0) paceRound_.breakOff();
  }
  return paceRound_.isOver();
}

void Shard::finishFork(Fork& fork) {
  context_.legSlice = SIZE_MAX;
  fork.offer(context_);
  fork.leg().flush(context_);
}

void Shard::finishForks(Port& port) {
  for (Fork* fork : port.forks()) finishFork(*fork);
  port.dirty = false;
  std::erase(context_.dirty, &port);
}

void Shard::runTick() {
  nextTickNs_ = context_.monotonicNow + kTickNs;
  const auto due = 2 * static_cast<int64_t>(forks_.size()) * kTickNs / context_.rtcpIntervalNs;
  context_.reportSlice = std::max(kReportSlice, static_cast<size_t>(due));
  for (auto& [id, fork] : forks_) fork->tick(context_);
  for (auto& [id, capture] : captures_) capture->tick(context_);
}

// Forks first: who sees a packet that came finds that it was offered, too.
void Shard::publish() {
  for (Leg& leg : legs_) leg.socket->publishTouched(context_);
  context_.publishEgress();
  for (Port* port : context_.touched) port->show(context_);
  context_.touched.clear();
}

void Shard::runCommand() {
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
  addCaptures();
  const std::function<void()>* command = command_.exchange(nullptr, std::memory_order_acquire);
  if (command == nullptr) return;
  (*command)();
  publish();
  done_.release();
}

void Shard::addLegSocket(int family, size_t streamIndex, UdpPair sockets) {
  const size_t number = legs_.size();
  legs_.push_back(
      {family, streamIndex,
       std::make_unique<LegSocket>(std::move(sockets), context_.record.legs[number], number)});
  LegSocket& socket = *legs_.back().socket;
  watch(socket.sockets().rtp.fd.get(), &socket.rtpSource());
  watch(socket.sockets().rtcp.fd.get(), &socket.rtcpSource());
}

Shard::Leg& Shard::legFor(int family, size_t streamIndex) {
  for (Leg& leg : legs_) {
    if (leg.family == family && leg.streamIndex == streamIndex) return leg;
  }
  fail(std::string("no leg socket for stream ") + std::to_string(streamIndex) +
       (family == AF_INET ? " over IPv4" : " over IPv6"));
}

void Shard::addPort(std::unique_ptr<Port> port) {
  watch(port->sockets().rtp.fd.get(), &port->rtpSource());
  watch(port->sockets().rtcp.fd.get(), &port->rtcpSource());
  const uint32_t id = port->id();
  Port& added = *ports_.emplace(id, std::move(port)).first->second;
  added.touchAll(context_);
  publish();
  context_.memory.showPort(added.slot(), id);
}

Port& Shard::port(uint32_t id) {
  const auto found = ports_.find(id);
  if (found == ports_.end()) fail("no port " + std::to_string(id));
  return *found->second;
}

StreamReport Shard::closePort(uint32_t id) {
  Port& closing = port(id);
  closing.drain(context_);
  relay_.flush(context_);
  finishForks(closing);
  while (!closing.forks().empty()) removeFork(closing.forks().back()->id());
  closing.leave(context_);
  publish();
  StreamReport last = report(closing);
  context_.memory.hidePort(closing.slot());
  closing.giveLists(context_);
  ports_.erase(id);
  return last;
}

StreamReport Shard::report(const Port& port) const {
  return streamReport(context_.memory.map(), port.slot());
}

void Shard::setRemote(uint32_t id, const PortRemote& remote) {
  port(id).setRemote(context_, remote);
}

void Shard::setRoute(const PortRoute& route) {
  Port& from = port(route.portId);
  if (route.kind == PortRoute::Kind::kBypass) {
    relay_.drain(context_);
    if (from.turnAround(context_, port(*route.peerPortId))) return;
  }
  lead(from, route);
}

void Shard::lead(Port& from, const PortRoute& route) {
  Port* peer = route.peerPortId ? &port(*route.peerPortId) : nullptr;
  from.routeNowhere(context_);
  switch (route.kind) {
    case PortRoute::Kind::kNone:
      break;
    case PortRoute::Kind::kDirect:
      from.routeDirect(context_, *peer);
      break;
    case PortRoute::Kind::kRelay:
      from.routeThrough(context_, *route.to, peer, route.payloadTypes);
      break;
    case PortRoute::Kind::kBypass:
      from.routeAround(context_, *peer);
      break;
  }
}

void Shard::bypassRelays() {
  relay_.drain(context_);
  const int64_t atNs = nowNs();
  for (auto& [id, port] : ports_) {
    if (port->way().leadsThrough()) port->way().goAround(context_, {atNs, atNs});
  }
}

void Shard::addFork(uint32_t id, ForkLease lease, uint32_t portId, size_t streamIndex,
                    const Address& rtp, const Address& rtcp, const ForkStart& from,
                    std::optional<uint64_t> pausedFrom, std::vector<KeptOut> keptOut) {
  Port& source = port(portId);
  if (source.forks().size() >= kForksPerPortMax)
    fail("a port has at most " + std::to_string(kForksPerPortMax) + " forks");
  LegSocket& leg = *legFor(rtp.family(), streamIndex).socket;
  auto fork = std::make_unique<Fork>(id, std::move(lease), source, streamIndex, leg, rtp, rtcp,
                                     std::move(keptOut));
  leg.enroll(*fork);
  source.forks().push_back(fork.get());
  fork->start(context_, from, pausedFrom);
  Fork& added = *forks_.emplace(id, std::move(fork)).first->second;
  leg.publishTouched(context_);
  added.show();
}

Fork& Shard::fork(uint32_t id) {
  const auto found = forks_.find(id);
  if (found == forks_.end()) fail("no fork " + std::to_string(id));
  return *found->second;
}

void Shard::setForkTarget(uint32_t id, const Address& rtp, const Address& rtcp) {
  Fork& moving = fork(id);
  const Address oldRtp = moving.rtp();
  const Address oldRtcp = moving.rtcp();
  LegSocket& oldLeg = moving.leg();
  LegSocket& newLeg = *legFor(rtp.family(), streamIndexOf(oldLeg)).socket;
  oldLeg.unregister(moving);
  moving.setTarget(newLeg, rtp, rtcp);
  try {
    newLeg.enroll(moving);
  } catch (...) {
    moving.setTarget(oldLeg, oldRtp, oldRtcp);
    oldLeg.enroll(moving);
    throw;
  }
}

size_t Shard::streamIndexOf(const LegSocket& wanted) const {
  for (const Leg& leg : legs_) {
    if (leg.socket.get() == &wanted) return leg.streamIndex;
  }
  return 0;
}

ForkReport Shard::endFork(uint32_t id) {
  Fork& ending = fork(id);
  finishFork(ending);
  ending.end(context_);
  return report(ending);
}

ForkReport Shard::removeFork(uint32_t id) {
  Fork& ending = fork(id);
  finishFork(ending);
  ending.end(context_);
  ForkReport last = report(ending);
  ending.leg().unregister(ending);
  ending.leg().forgetTouched(ending);
  std::erase(ending.port().forks(), &ending);
  std::erase(context_.catchingUp, &ending);
  context_.memory.hideFork(ending.slot());
  ending.giveLists(context_);
  forks_.erase(id);
  return last;
}

ForkReport Shard::report(Fork& fork) {
  fork.leg().publishTouched(context_);
  return forkReport(context_.memory.map(), fork.slot(), fork.id());
}

void Shard::sendCapture(std::unique_ptr<Capture> capture) {
  {
    const std::lock_guard lock(arrivingMutex_);
    arriving_.push_back(std::move(capture));
  }
  eventfd_write(wake_.get(), 1);
}

void Shard::addCaptures() {
  std::vector<std::unique_ptr<Capture>> arrived;
  {
    const std::lock_guard lock(arrivingMutex_);
    arrived.swap(arriving_);
  }
  for (auto& capture : arrived) {
    const uint32_t id = capture->id();
    Capture& added = *captures_.emplace(id, std::move(capture)).first->second;
    context_.record.captures = captures_.size();
    std::optional<EdgeError> error;
    attempt(error, [&] { added.watchAll([this](int fd, Source& source) { watch(fd, &source); }); });
    // All that epoll_ctl(2) may be short of here is memory.
    if (error)
      context_.events.emit(
          {.type = Event::Type::kCaptureFailed, .id = id, .address = {}, .error = ENOMEM});
  }
}

Capture& Shard::capture(uint32_t id) {
  const auto found = captures_.find(id);
  if (found == captures_.end()) fail("no capture " + std::to_string(id));
  return *found->second;
}

CaptureReport Shard::closeCapture(uint32_t id) {
  Capture& closing = capture(id);
  closing.finish(context_);
  std::erase(context_.dirtyCaptures, &closing);
  CaptureReport report = closing.report();
  captures_.erase(id);
  context_.record.captures = captures_.size();
  return report;
}

void Shard::addInventory(Inventory& inventory) const {
  for (const auto& [id, port] : ports_) inventory.ports.push_back(port->inventory());
  for (const auto& [id, fork] : forks_) {
    inventory.forks.push_back({id, fork->port().id(),
                               static_cast<uint32_t>(streamIndexOf(fork->leg())), fork->rtp(),
                               fork->rtcp(), fork->state()});
  }
}

void ShardContext::publishEgress() {
  for (Port* port : egressTouched) port->publishEgress(*this);
  egressTouched.clear();
}

}  // namespace tandem
