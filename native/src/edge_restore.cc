// An edge that goes on where another process was killed, with its memory and its sockets.

#include <sys/socket.h>

#include <algorithm>

#include "clock.h"
#include "edge.h"
#include "error.h"

namespace tandem {

namespace {

/** Sockets by their own addresses, which the memory names. */
class AddressedSockets {
 public:
  explicit AddressedSockets(std::vector<UniqueFd> sockets) {
    for (UniqueFd& fd : sockets) {
      Address local;
      socklen_t length = Address::capacity();
      if (getsockname(fd.get(), local.raw(), &length) != 0)
        failErrno("look at a socket that was handed over");
      const bool isInternet = local.family() == AF_INET || local.family() == AF_INET6;
      if (isInternet) byAddress_.emplace(local, UdpSocket{std::move(fd), local});
    }
  }

  std::optional<UdpSocket> take(const std::optional<Address>& local) {
    const auto found = local ? byAddress_.find(*local) : byAddress_.end();
    if (found == byAddress_.end()) return std::nullopt;
    UdpSocket socket = std::move(found->second);
    byAddress_.erase(found);
    return socket;
  }

  std::optional<UdpPair> takePair(const SharedAddress& rtp, const SharedAddress& rtcp) {
    auto first = take(rtp.get());
    auto second = take(rtcp.get());
    if (!first || !second) return std::nullopt;
    return UdpPair{std::move(*first), std::move(*second)};
  }

 private:
  std::unordered_map<Address, UdpSocket, AddressHash> byAddress_;
};

EdgeOptions optionsOf(const MappedMemory& memory) {
  const EdgeSettings& settings = memory.settings();
  EdgeOptions options{};
  options.threads = settings.threads;
  options.portMin = settings.portMin;
  options.portMax = settings.portMax;
  options.ring = memory.ringLimits();
  options.catchUpRate = settings.catchUpRate;
  options.rtcpIntervalNs = settings.rtcpIntervalNs;
  options.cname = settings.cname.data();
  return options;
}

}  // namespace

Edge::Edge(UniqueFd memory, std::vector<UniqueFd> sockets, EventSink& events,
           const std::string& memoryFile, WorkerBeats* beats)
    : memory_(EdgeMemory::adopt(std::move(memory), memoryFile)),
      options_(optionsOf(memory_.map())),
      ports_(options_.portMin, options_.portMax) {
  const MappedMemory& map = memory_.map();
  // Its times are those of its predecessor.
  startClock(map.header().clockOffsetNs);
  AddressedSockets addressed(std::move(sockets));
  std::vector<AdoptedShard> adopted(options_.threads);
  load_.resize(options_.threads);
  for (uint32_t i = 0; i < options_.threads; ++i) {
    auto relay = addressed.take(map.header().relays[i].get());
    if (!relay) fail("the relay socket of thread " + std::to_string(i) + " was not handed over");
    shards_.push_back(
        std::make_unique<Shard>(ShardOptions{i, options_.catchUpRate, options_.rtcpIntervalNs,
                                             options_.cname, beatOf(beats, i)},
                                memory_, events, std::move(*relay)));
  }
  const uint64_t legCount = std::min<uint64_t>(map.header().legCount, kLegsMax);
  for (uint64_t i = 0; i < legCount; ++i) {
    const LegRecord& leg = map.header().legs[i];
    auto pair = addressed.takePair(leg.rtp, leg.rtcp);
    if (!pair || leg.shard >= adopted.size())
      fail("the sockets of leg " + std::to_string(i) + " were not handed over");
    ports_.claim(pair->rtp.local.port());
    const int family = pair->rtp.local.family();
    adopted[leg.shard].legs.push_back({family, leg.streamIndex, std::move(*pair)});
  }
  for (size_t slot = 0; slot < map.portsHigh(); ++slot) {
    const uint32_t id = map.portId(slot).load();
    if (id == 0) continue;
    auto pair = addressed.takePair(map.port(slot).rtp, map.port(slot).rtcp);
    if (!pair || id % kThreadsMax >= adopted.size()) {
      memory_.givePort(slot);
      continue;
    }
    adopted[id % kThreadsMax].ports.push_back({id, slot, std::move(*pair)});
  }
  const uint64_t chunksHigh = map.chunksHigh();
  std::vector<uint32_t> used;
  for (uint32_t i = 0; i < options_.threads; ++i) {
    AdoptedShard& from = adopted[i];
    struct Seen {
      uint32_t id;
      uint16_t rtpPort;
      int family;
    };
    std::vector<Seen> seen;
    for (const AdoptedPort& port : from.ports)
      seen.push_back({port.id, port.sockets.rtp.local.port(), port.sockets.rtp.local.family()});
    const std::vector<uint32_t> chunks = shards_[i]->run([&](Shard& s) { return s.restore(from); });
    used.insert(used.end(), chunks.begin(), chunks.end());
    for (size_t j = 0; j < seen.size(); ++j) {
      if (!from.ports[j].failed.empty()) continue;
      ports_.claim(seen[j].rtpPort);
      owned_.emplace(seen[j].id, Owned{{seen[j].rtpPort}, seen[j].family});
      ++load_[i];
    }
  }
  // What no list has is free again.
  std::sort(used.begin(), used.end());
  std::vector<uint32_t> free;
  for (uint64_t chunk = 1; chunk < chunksHigh; ++chunk) {
    const auto number = static_cast<uint32_t>(chunk);
    if (!std::binary_search(used.begin(), used.end(), number)) free.push_back(number);
  }
  shards_[0]->run([&](Shard& s) { s.giveChunks(free); });
}

}  // namespace tandem
