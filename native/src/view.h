#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "reports.h"
#include "shm_layout.h"
#include "unique_fd.h"

namespace tandem {

/**
 * What the edge knows, read out of its memory without asking anybody, as it was between two of its
 * wake-ups. Of one thread. Throws EdgeError: EDGE_FAILED for what is not there, EDGE_MEMORY for
 * what cannot be.
 */
class View {
 public:
  /** @param memory outlives this */
  explicit View(const MappedMemory& memory) : memory_(memory) {}

  Address relayAddress(uint32_t shard) const;
  std::pair<Address, Address> legAddress(uint32_t shard, uint32_t streamIndex, int family) const;

  // In the order of the ids.
  std::vector<StreamReport> streamReports(const std::vector<uint32_t>& portIds);
  std::vector<std::optional<uint64_t>> sequencesAt(const std::vector<uint32_t>& portIds,
                                                   int64_t atNs);
  std::vector<ForkReport> forkReports(const std::vector<uint32_t>& forkIds);

  // Of all, in no order.
  std::vector<ForkSigns> forkSigns() const;
  std::vector<LastHeard> lastHeard() const;
  /** Ports that go around mediasoup without having been told to. */
  std::vector<RelayStallReport> relayStalls() const;

  Counters counters() const;

 private:
  using Slots = std::unordered_map<uint32_t, uint32_t>;
  using IdOf = std::atomic<uint32_t>& (MappedMemory::*)(size_t) const;

  /** Reads of the one with that id. */
  template <typename Read>
  auto ofPort(uint32_t id, Read&& read);
  template <typename Read>
  auto ofFork(uint32_t id, Read&& read);
  template <typename Read>
  auto of(Slots& slots, IdOf idOf, size_t high, uint32_t id, const char* what, Read&& read);
  /** Calls `visit(slot, id)` for each; one that goes meanwhile is passed over. */
  template <typename Visit>
  void forEach(IdOf idOf, size_t high, Visit&& visit) const;

  const MappedMemory& memory_;
  // Where ids were found; looked up again where they are no more.
  Slots ports_;
  Slots forks_;
};

/** A view of another process's memory, which cannot write to it. */
class OpenedView {
 public:
  explicit OpenedView(UniqueFd fd)
      : fd_(std::move(fd)), memory_(MappedMemory::open(fd_.get(), false)), view_(memory_) {}

  View& view() { return view_; }
  const MemoryHeader& header() const { return memory_.header(); }

 private:
  UniqueFd fd_;
  MappedMemory memory_;
  View view_;
};

}  // namespace tandem
