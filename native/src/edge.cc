#include "edge.h"

#include <sys/random.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "error.h"
#include "precedence.h"

namespace tandem {

namespace {

uint32_t randomSsrc() {
  uint32_t ssrc = 0;
  while (ssrc == 0) {
    if (getrandom(&ssrc, sizeof ssrc, 0) != sizeof ssrc) failErrno("getrandom");
  }
  return ssrc;
}

const UdpOptions kPortSockets{.receiveBufferBytes = kReceiveBufferBytes};
const UdpOptions kLegSockets{.receiveBufferBytes = kSharedBufferBytes,
                             .sendBufferBytes = kSharedBufferBytes,
                             .reportErrors = true};

void checkFamily(const Address& address, int family, const char* what) {
  if (address.family() != family)
    fail(std::string(what) + " " + address.ip() + " is not of the port's address family");
}

const EdgeOptions& checked(const EdgeOptions& options) {
  if (options.threads < 1 || options.threads > kThreadsMax)
    fail("threads is not within 1.." + std::to_string(kThreadsMax));
  if (options.ring.keepNs <= 0 || options.catchUpRate <= 1 || options.rtcpIntervalNs <= 0)
    fail("ring.seconds and rtcpIntervalMs are above 0, catchUpRate above 1");
  return options;
}

EdgeSettings settingsOf(const EdgeOptions& options) {
  EdgeSettings settings{};
  settings.threads = options.threads;
  settings.portMin = options.portMin;
  settings.portMax = options.portMax;
  settings.ringKeepNs = options.ring.keepNs;
  settings.ringBytes = options.ring.bytes;
  settings.catchUpRate = options.catchUpRate;
  settings.rtcpIntervalNs = options.rtcpIntervalNs;
  // RTCP tells no more of it (RFC 3550 section 6.5).
  options.cname.copy(settings.cname.data(), settings.cname.size() - 1);
  return settings;
}

}  // namespace

Edge::Edge(const EdgeOptions& options, EventSink& events, WorkerBeats* beats)
    : memory_(EdgeMemory::make(settingsOf(checked(options)), options.memoryFile)),
      options_(options),
      ports_(options.portMin, options.portMax) {
  for (uint32_t i = 0; i < options.threads; ++i) {
    shards_.push_back(
        std::make_unique<Shard>(ShardOptions{i, options.catchUpRate, options.rtcpIntervalNs,
                                             options.cname, beatOf(beats, i)},
                                memory_, events));
    memory_.map().header().relays[i] = {shards_.back()->relay().local(), 1};
  }
  load_.resize(options.threads);
  openLegs(options);
  memory_.announce();
}

void Edge::openLegs(const EdgeOptions& options) {
  MemoryHeader& header = memory_.map().header();
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    for (const Address& host : options.legHosts) {
      for (uint32_t stream = 0; stream < kLegStreams; ++stream) {
        const uint64_t count = header.legCount;
        const bool twice = std::any_of(header.legs.begin(),
                                       header.legs.begin() + static_cast<std::ptrdiff_t>(count),
                                       [&](const LegRecord& leg) {
                                         return leg.shard == shard && leg.streamIndex == stream &&
                                                leg.rtp.address.family() == host.family();
                                       });
        if (twice) fail("legHosts has two addresses of one family");
        UdpPair pair = ports_.openAnywhere(host, kLegSockets);
        header.legs[count] = {shard, stream, {pair.rtp.local, 1}, {pair.rtcp.local, 1}};
        header.legCount = count + 1;
        shards_[shard]->run(
            [&](Shard& s) { s.addLegSocket(host.family(), stream, std::move(pair)); });
      }
    }
  }
}

View& Edge::view() {
  if (shards_.empty()) fail("the edge is closed");
  return view_;
}

Shard& Edge::shardAt(uint32_t index) const {
  if (shards_.empty()) fail("the edge is closed");
  if (index >= shards_.size()) fail("no shard " + std::to_string(index));
  return *shards_[index];
}

// An id says which shard it lives on.
Shard& Edge::shardOf(uint32_t id) { return shardAt(id % kThreadsMax); }

template <typename Body>
void Edge::onEach(const std::vector<uint32_t>& ids, Body body) {
  if (ids.empty()) fail("a list of ids is empty");
  struct Visit {
    uint32_t index;
    Shard* shard;
    std::function<void()> command;
    std::optional<EdgeError> error;
  };
  std::vector<Visit> visits;
  for (const uint32_t id : ids) {
    const uint32_t index = id % kThreadsMax;
    const bool listed = std::any_of(visits.begin(), visits.end(),
                                    [index](const Visit& visit) { return visit.index == index; });
    if (!listed) visits.push_back({index, &shardAt(index), {}, {}});
  }
  for (Visit& visit : visits) {
    visit.command = [&] { Shard::attempt(visit.error, [&] { body(*visit.shard, visit.index); }); };
    visit.shard->begin(visit.command);
  }
  for (Visit& visit : visits) visit.shard->finish();
  for (const Visit& visit : visits) {
    if (visit.error) throw EdgeError(*visit.error);
  }
}

template <typename Body>
void Edge::onEachInVisits(const std::vector<uint32_t>& ids, Body body) {
  // One byte each, as several threads write at once.
  std::vector<uint8_t> isDone(ids.size());
  for (std::vector<uint32_t> left = ids; !left.empty();) {
    onEach(left, [&](Shard& s, uint32_t shard) {
      size_t ranges = 0;
      for (size_t i = 0; i < ids.size() && ranges < kRangesPerVisit; ++i) {
        if (isDone[i] != 0 || ids[i] % kThreadsMax != shard) continue;
        ranges += body(s, i);
        isDone[i] = 1;
      }
    });
    left.clear();
    for (size_t i = 0; i < ids.size(); ++i) {
      if (isDone[i] == 0) left.push_back(ids[i]);
    }
  }
}

template <typename Report, typename One>
std::vector<Report> Edge::reportEach(const std::vector<uint32_t>& ids, One one) {
  if (ids.empty()) fail("a list of ids is empty");
  std::vector<Report> reports(ids.size());
  onEachInVisits(ids, [&](Shard& s, size_t i) {
    reports[i] = one(s, ids[i]);
    return rangesIn(reports[i]);
  });
  return reports;
}

uint32_t Edge::nextId(uint32_t shard) {
  std::atomic<uint64_t>& counter = memory_.map().header().idCounter;
  const uint64_t before = again_.value_or(counter);
  const uint64_t next = before % (UINT32_MAX / kThreadsMax) + 1;
  if (before == counter) counter = next;
  if (again_) again_ = next;
  return static_cast<uint32_t>(next) * kThreadsMax + shard;
}

bool Edge::takePrecedence(int niceness) {
  bool allowed = true;
  for (auto& shard : shards_) {
    allowed &= shard->run([&](Shard&) { return tandem::takePrecedence(0, niceness); });
  }
  return allowed;
}

uint32_t Edge::pickShard() const {
  shardAt(0);
  return static_cast<uint32_t>(std::min_element(load_.begin(), load_.end()) - load_.begin());
}

OpenedPort Edge::openPort(uint32_t shard, const Address& host, LatchPolicy latch) {
  Shard& home = shardAt(shard);
  const uint32_t portId = nextId(shard);
  if (owned_.contains(portId)) {
    return home.run([&](Shard& s) {
      const PortInventory there = s.port(portId).inventory();
      return OpenedPort{portId, there.rtp, there.rtcp, there.ssrc};
    });
  }
  PortLease lease(memory_);
  UdpPair pair = ports_.open(host, kPortSockets);
  const OpenedPort opened{portId, pair.rtp.local, pair.rtcp.local, randomSsrc()};
  try {
    auto port = std::make_unique<Port>(opened.portId, std::move(lease), std::move(pair), latch,
                                       options_.ring, opened.ssrc, randomSsrc());
    home.run([&](Shard& s) { s.addPort(std::move(port)); });
  } catch (...) {
    ports_.release(opened.rtp.port());
    throw;
  }
  owned_.emplace(opened.portId, Owned{{opened.rtp.port()}, host.family()});
  ++load_[shard];
  return opened;
}

void Edge::setRemote(uint32_t portId, const PortRemote& remote) {
  const auto found = owned_.find(portId);
  if (found == owned_.end()) fail("no port " + std::to_string(portId));
  checkFamily(remote.rtp, found->second.family, "remote");
  checkFamily(remote.rtcp, found->second.family, "remote");
  shardOf(portId).run([&](Shard& s) { s.setRemote(portId, remote); });
}

void Edge::setRoutes(const std::vector<PortRoute>& routes) {
  std::vector<uint32_t> portIds;
  for (const PortRoute& route : routes) {
    portIds.push_back(route.portId);
    if (route.peerPortId && *route.peerPortId % kThreadsMax != route.portId % kThreadsMax)
      fail("two ports of a call live on one shard");
  }
  onEach(portIds, [&](Shard& s, uint32_t shard) {
    for (const PortRoute& route : routes) {
      if (route.portId % kThreadsMax == shard) s.setRoute(route);
    }
  });
}

void Edge::bypassRelays() {
  for (auto& shard : shards_) shard->run([](Shard& s) { s.bypassRelays(); });
}

StreamReport Edge::closePort(uint32_t portId) {
  StreamReport report = shardOf(portId).run([&](Shard& s) { return s.closePort(portId); });
  release(portId);
  return report;
}

Stock Edge::takeStock(const std::vector<uint32_t>& portIds, const std::vector<uint32_t>& forkIds) {
  Stock stock{std::vector<StreamReport>(portIds.size()), std::vector<ForkReport>(forkIds.size())};
  if (portIds.empty() && forkIds.empty()) fail("a list of ids is empty");
  std::vector<uint8_t> isRemoved(forkIds.size());
  const auto remove = [&](Shard& s, size_t i) {
    if (isRemoved[i] != 0) return size_t{0};
    stock.forks[i] = s.removeFork(forkIds[i]);
    isRemoved[i] = 1;
    return rangesIn(stock.forks[i]);
  };
  // A stream and its forks in one visit: what the one has, the others were to be sent.
  onEachInVisits(portIds, [&](Shard& s, size_t i) {
    Port& port = s.port(portIds[i]);
    stock.streams[i] = s.report(port);
    size_t ranges = rangesIn(stock.streams[i]);
    for (size_t j = 0; j < forkIds.size(); ++j) {
      const bool isHere = isRemoved[j] == 0 && forkIds[j] % kThreadsMax == portIds[i] % kThreadsMax;
      if (isHere && &s.fork(forkIds[j]).port() == &port) ranges += remove(s, j);
    }
    return ranges;
  });
  onEachInVisits(forkIds, remove);
  return stock;
}

std::vector<uint32_t> Edge::addForks(const std::vector<AddForkOptions>& all) {
  std::vector<uint32_t> portIds;
  std::vector<uint32_t> forkIds;
  for (const AddForkOptions& options : all) {
    if (options.streamIndex >= kLegStreams)
      fail("streamIndex is not within 0.." + std::to_string(kLegStreams - 1));
    if (options.rtp.family() != options.rtcp.family())
      fail("rtp and rtcp of a fork are of one address family");
    portIds.push_back(options.portId);
    forkIds.push_back(nextId(options.portId % kThreadsMax));
  }
  std::vector<ForkLease> leases;
  for (size_t i = 0; i < all.size(); ++i) leases.emplace_back(memory_);
  // Not of bool: shards write beside each other.
  std::vector<uint8_t> added(all.size());
  try {
    onEach(portIds, [&](Shard& s, uint32_t shard) {
      for (size_t i = 0; i < all.size(); ++i) {
        const AddForkOptions& options = all[i];
        if (options.portId % kThreadsMax != shard || s.hasFork(forkIds[i])) continue;
        s.addFork(forkIds[i], std::move(leases[i]), options.portId, options.streamIndex,
                  options.rtp, options.rtcp, options.from, options.pausedFrom, options.keptOut);
        added[i] = 1;
      }
    });
  } catch (...) {
    std::vector<uint32_t> there;
    for (size_t i = 0; i < all.size(); ++i) {
      if (added[i] != 0) there.push_back(forkIds[i]);
    }
    if (!there.empty()) removeForks(there);
    throw;
  }
  return forkIds;
}

void Edge::setForkTarget(uint32_t forkId, const Address& rtp, const Address& rtcp) {
  if (rtp.family() != rtcp.family()) fail("rtp and rtcp of a fork are of one address family");
  shardOf(forkId).run([&](Shard& s) { s.setForkTarget(forkId, rtp, rtcp); });
}

void Edge::pauseFork(uint32_t forkId, uint64_t from) {
  shardOf(forkId).run([&](Shard& s) { s.fork(forkId).pause(from); });
}

void Edge::resumeFork(uint32_t forkId) {
  shardOf(forkId).run([&](Shard& s) { s.fork(forkId).resume(); });
}

std::vector<ForkReport> Edge::endForks(const std::vector<uint32_t>& forkIds) {
  return reportEach<ForkReport>(forkIds, [](Shard& s, uint32_t id) { return s.endFork(id); });
}

std::vector<ForkReport> Edge::removeForks(const std::vector<uint32_t>& forkIds) {
  return reportEach<ForkReport>(forkIds, [](Shard& s, uint32_t id) { return s.removeFork(id); });
}

OpenedCapture Edge::openCapture(const OpenCaptureOptions& options) {
  const uint32_t shard = pickShard();
  if (captureCount_ >= kCapturesMax)
    fail("at most " + std::to_string(kCapturesMax) + " captures are open at a time");
  if (options.streams.empty() || options.streams.size() > kStreamsPerCaptureMax) {
    fail("a capture has 1.." + std::to_string(kStreamsPerCaptureMax) + " streams");
  }
  std::vector<std::string> labels;
  for (const CaptureStreamOptions& stream : options.streams) {
    checkFamily(stream.remote.rtp, options.host.family(), "remote");
    checkFamily(stream.remote.rtcp, options.host.family(), "remote");
    labels.push_back(stream.label);
  }
  OpenedCapture opened{nextId(shard), {}};
  Owned owned{{}, options.host.family()};
  try {
    // Ports first: without them no file is left behind.
    std::vector<UdpPair> pairs;
    for (size_t i = 0; i < options.streams.size(); ++i) {
      pairs.push_back(ports_.open(options.host, kPortSockets));
      owned.rtpPorts.push_back(pairs.back().rtp.local.port());
    }
    auto file = std::make_unique<PcapngFile>(options.file, options.comment, labels);
    auto capture = std::make_unique<Capture>(opened.captureId, std::move(file));
    for (size_t i = 0; i < options.streams.size(); ++i) {
      const CaptureStreamOptions& from = options.streams[i];
      opened.streams.emplace_back(pairs[i].rtp.local, pairs[i].rtcp.local);
      auto stream = std::make_unique<CaptureStream>(*capture, static_cast<uint32_t>(i), from.label,
                                                    std::move(pairs[i]), options.latch,
                                                    from.clockRates, randomSsrc());
      stream->setRemote(from.remote.rtp, from.remote.rtcp);
      stream->setReportRanges(from.remote.reportRanges);
      capture->addStream(std::move(stream));
    }
    shardAt(shard).sendCapture(std::move(capture));
  } catch (...) {
    for (const uint16_t port : owned.rtpPorts) ports_.release(port);
    throw;
  }
  owned_.emplace(opened.captureId, owned);
  ++load_[shard];
  ++captureCount_;
  return opened;
}

void Edge::setCaptureRemote(uint32_t captureId, uint32_t streamIndex, const CaptureRemote& remote) {
  const auto found = owned_.find(captureId);
  if (found == owned_.end()) fail("no capture " + std::to_string(captureId));
  checkFamily(remote.rtp, found->second.family, "remote");
  checkFamily(remote.rtcp, found->second.family, "remote");
  shardOf(captureId).run([&](Shard& s) {
    Capture& capture = s.capture(captureId);
    if (streamIndex >= capture.streamCount()) fail("no stream " + std::to_string(streamIndex));
    CaptureStream& stream = capture.stream(streamIndex);
    stream.setRemote(remote.rtp, remote.rtcp);
    stream.setReportRanges(remote.reportRanges);
  });
}

CaptureReport Edge::closeCapture(uint32_t captureId) {
  CaptureReport report =
      shardOf(captureId).run([&](Shard& s) { return s.closeCapture(captureId); });
  release(captureId);
  --captureCount_;
  return report;
}

CaptureReport Edge::captureReport(uint32_t captureId) {
  return shardOf(captureId).run([&](Shard& s) { return s.capture(captureId).report(); });
}

void Edge::release(uint32_t id) {
  const auto found = owned_.find(id);
  if (found == owned_.end()) return;
  for (const uint16_t port : found->second.rtpPorts) ports_.release(port);
  owned_.erase(found);
  --load_[id % kThreadsMax];
}

Inventory Edge::inventory() {
  Inventory inventory;
  for (auto& shard : shards_) shard->run([&](Shard& s) { s.addInventory(inventory); });
  return inventory;
}

void Edge::onEveryThread(const std::function<void()>& body) {
  for (auto& shard : shards_) shard->run([&](Shard&) { body(); });
}

void Edge::endCalls() {
  for (const PortInventory& port : inventory().ports) closePort(port.portId);
}

void Edge::close() {
  for (auto& shard : shards_) shard->stop();
  shards_.clear();
}

}  // namespace tandem
