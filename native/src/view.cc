#include "view.h"

#include <algorithm>
#include <string>

#include "error.h"
#include "slot_reports.h"

namespace tandem {

namespace {

/** Ids that are remembered; more than there can be. */
constexpr size_t kSlotsRememberedMax = 4 * (kPortsMax + kForksMax);

template <typename T>
T load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_RELAXED);
}

void addLoaded(Counters& sum, const Counters& counters) {
  static_assert(sizeof(Counters) % sizeof(uint64_t) == 0 && std::is_trivially_copyable_v<Counters>);
  Counters copy;
  loadWords(&copy, &counters, sizeof copy);
  sum.add(copy);
}

}  // namespace

template <typename Read>
auto View::of(Slots& slots, IdOf idOf, size_t high, uint32_t id, const char* what, Read&& read) {
  const auto is = [&](size_t slot) {
    return (memory_.*idOf)(slot).load(std::memory_order_acquire) == id;
  };
  const auto known = slots.find(id);
  size_t slot = known == slots.end() ? high : known->second;
  if (id != 0 && (slot >= high || !is(slot))) {
    for (slot = 0; slot < high && !is(slot);) ++slot;
    if (slots.size() > kSlotsRememberedMax) slots.clear();
    if (slot < high) slots[id] = static_cast<uint32_t>(slot);
  }
  if (id != 0 && slot < high) {
    try {
      auto result = read(slot);
      if (is(slot)) return result;
    } catch (const EdgeError&) {
      // Who reads what has just gone finds anything.
      if (is(slot)) throw;
    }
  }
  slots.erase(id);
  fail(std::string("no ") + what + " " + std::to_string(id));
}

template <typename Read>
auto View::ofPort(uint32_t id, Read&& read) {
  return of(ports_, &MappedMemory::portId, memory_.portsHigh(), id, "port", read);
}

template <typename Read>
auto View::ofFork(uint32_t id, Read&& read) {
  return of(forks_, &MappedMemory::forkId, memory_.forksHigh(), id, "fork", read);
}

template <typename Visit>
void View::forEach(IdOf idOf, size_t high, Visit&& visit) const {
  for (size_t slot = 0; slot < high; ++slot) {
    const std::atomic<uint32_t>& at = (memory_.*idOf)(slot);
    const uint32_t id = at.load(std::memory_order_acquire);
    if (id == 0) continue;
    const auto isThere = [&] { return at.load(std::memory_order_acquire) == id; };
    try {
      visit(slot, id, isThere);
    } catch (const EdgeError&) {
      if (isThere()) throw;
    }
  }
}

Address View::relayAddress(uint32_t shard) const {
  const auto& relays = memory_.header().relays;
  const auto found = shard < relays.size() ? relays[shard].get() : std::nullopt;
  if (!found) fail("no shard " + std::to_string(shard));
  return *found;
}

std::pair<Address, Address> View::legAddress(uint32_t shard, uint32_t streamIndex,
                                             int family) const {
  const MemoryHeader& header = memory_.header();
  const uint64_t count = std::min<uint64_t>(header.legCount.load(), kLegsMax);
  for (uint64_t i = 0; i < count; ++i) {
    const LegRecord& leg = header.legs[i];
    const auto rtp = leg.rtp.get();
    const auto rtcp = leg.rtcp.get();
    if (rtp && rtcp && leg.shard == shard && leg.streamIndex == streamIndex &&
        rtp->family() == family)
      return {*rtp, *rtcp};
  }
  fail("no leg socket for shard " + std::to_string(shard) + ", stream " +
       std::to_string(streamIndex) + (family == AF_INET ? " over IPv4" : " over IPv6"));
}

std::vector<StreamReport> View::streamReports(const std::vector<uint32_t>& portIds) {
  std::vector<StreamReport> reports;
  for (const uint32_t id : portIds)
    reports.push_back(ofPort(id, [&](size_t slot) { return streamReport(memory_, slot); }));
  return reports;
}

std::vector<std::optional<uint64_t>> View::sequencesAt(const std::vector<uint32_t>& portIds,
                                                       int64_t atNs) {
  std::vector<std::optional<uint64_t>> all;
  for (const uint32_t id : portIds)
    all.push_back(ofPort(id, [&](size_t slot) { return sequenceAt(memory_, slot, atNs); }));
  return all;
}

std::vector<ForkReport> View::forkReports(const std::vector<uint32_t>& forkIds) {
  std::vector<ForkReport> reports;
  for (const uint32_t id : forkIds)
    reports.push_back(ofFork(id, [&](size_t slot) { return forkReport(memory_, slot, id); }));
  return reports;
}

std::vector<ForkSigns> View::forkSigns() const {
  std::vector<ForkSigns> all;
  forEach(&MappedMemory::forkId, memory_.forksHigh(), [&](size_t slot, uint32_t id, auto isThere) {
    const ForkSigns signs = tandem::forkSigns(memory_, slot, id);
    if (isThere()) all.push_back(signs);
  });
  return all;
}

std::vector<LastHeard> View::lastHeard() const {
  std::vector<LastHeard> all;
  forEach(&MappedMemory::portId, memory_.portsHigh(), [&](size_t slot, uint32_t id, auto isThere) {
    const LastHeard heard{id, lastHeardNs(memory_, slot)};
    if (isThere()) all.push_back(heard);
  });
  return all;
}

std::vector<RelayStallReport> View::relayStalls() const {
  std::vector<RelayStallReport> all;
  forEach(&MappedMemory::portId, memory_.portsHigh(), [&](size_t slot, uint32_t id, auto isThere) {
    const auto stall = relayStall(memory_, slot);
    if (stall && isThere()) all.push_back({id, *stall});
  });
  return all;
}

Counters View::counters() const {
  Counters sum;
  for (uint32_t i = 0; i < memory_.settings().threads; ++i) {
    const ShardRecord& shard = memory_.shard(i);
    addLoaded(sum, shard.counters);
    sum.captures += load(shard.captures);
  }
  const auto count = [](uint64_t& into) { return [&into](size_t, uint32_t, auto) { ++into; }; };
  forEach(&MappedMemory::portId, memory_.portsHigh(), count(sum.ports));
  forEach(&MappedMemory::forkId, memory_.forksHigh(), count(sum.forks));
  sum.droppedEvents = memory_.header().droppedEvents.get();
  return sum;
}

}  // namespace tandem
