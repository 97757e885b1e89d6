#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "limits.h"

namespace tandem {

/** Packets that mediasoup was given and that have not come out of it yet, the oldest first. It
 * keeps their order, and their timestamps and payloads as they are: so they are known again. */
class HandedOver {
 public:
  struct Packet {
    /** In the ring. */
    uint64_t index;
    uint32_t timestamp;
    uint32_t digest;
  };
  using Memory = std::array<Packet, kHandedOverMax>;
  /** Which there are: neither ever goes back. */
  struct Bounds {
    uint64_t first = 0;
    uint64_t end = 0;
  };

  /** @param memory where they lie: a successor finds them there by their bounds */
  explicit HandedOver(Memory& memory) : memory_(memory) {}

  /** The oldest is forgotten when there are too many. */
  void add(const Packet& packet) {
    if (bounds_.end - bounds_.first == kHandedOverMax) ++bounds_.first;
    memory_[bounds_.end++ % kHandedOverMax] = packet;
  }

  /** What was given before it and did not come before it comes no more. One that is not known is
   * taken for the oldest: nothing may be heard twice. */
  void cameBack(uint32_t timestamp, uint32_t digest) {
    for (uint64_t number = bounds_.first; number < bounds_.end; ++number) {
      const Packet& packet = at(number);
      if (packet.timestamp != timestamp || packet.digest != digest) continue;
      bounds_.first = number + 1;
      return;
    }
    if (bounds_.first < bounds_.end) ++bounds_.first;
  }

  void clear() { bounds_.first = bounds_.end; }

  const Bounds& bounds() const { return bounds_; }
  const Packet& at(uint64_t number) const { return memory_[number % kHandedOverMax]; }

  /** Those of a predecessor, whatever they are. */
  void restore(const Bounds& bounds) {
    bounds_.end = bounds.end;
    const uint64_t oldest = bounds.end - std::min<uint64_t>(bounds.end, kHandedOverMax);
    bounds_.first = std::clamp(bounds.first, oldest, bounds.end);
  }

 private:
  Memory& memory_;
  Bounds bounds_;
};

}  // namespace tandem
