#pragma once

#include <optional>
#include <string>
#include <utility>

#include "error.h"
#include "shm_layout.h"
#include "shm_ranges.h"

namespace tandem {

[[noreturn]] inline void failMemory(const std::string& what) {
  throw EdgeError("EDGE_MEMORY", "the edge's memory contradicts itself: " + what);
}

/** Where lists are found in that memory. */
class ChunksOf {
 public:
  explicit ChunksOf(const MappedMemory& memory) : memory_(memory) {}
  const ListChunk* operator()(uint32_t number) const {
    if (number == 0 || number >= memory_.chunksHigh()) return nullptr;
    return &memory_.chunk(number);
  }

 private:
  const MappedMemory& memory_;
};

/** What `read` makes of a slot's records and lists, of which no part was given back meanwhile.
 * Throws where it makes nothing of them. */
template <typename Read>
auto readWhole(const SharedCount& moves, const char* what, Read&& read) {
  for (int look = 0; look < kLooksMax; ++look) {
    const uint64_t before = moves.get();
    std::atomic_thread_fence(std::memory_order_acquire);
    auto result = read();
    std::atomic_thread_fence(std::memory_order_acquire);
    if (moves.get() != before) continue;
    if (!result) break;
    return std::move(*result);
  }
  failMemory(what);
}

/** A port's records and lists. */
struct PortContents {
  PortIngress ingress;
  PortAccount account;
  std::pair<Ranges, std::vector<uint32_t>> received;
  std::pair<Ranges, std::vector<uint32_t>> dropped;
  FoundList<SsrcChange> changes;
};

/** A fork's. */
struct ForkContents {
  ForkProgress progress;
  ForkAccount account;
  std::pair<Ranges, std::vector<uint32_t>> sent;
  std::pair<Ranges, std::vector<uint32_t>> replayed;
  std::pair<Ranges, std::vector<uint32_t>> overrun;
  std::pair<Ranges, std::vector<uint32_t>> withheld;
  FoundList<SentLog::Late> late;
  FoundList<Span> confirmed;
  FoundList<Span> denied;
};

/** @param staged what a successor goes on with, not what is shown */
PortContents readPort(const MappedMemory& memory, size_t slot, bool staged);
ForkContents readFork(const MappedMemory& memory, size_t slot);

}  // namespace tandem
