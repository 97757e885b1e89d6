#pragma once

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

  /** The oldest is forgotten when there are too many. */
  void add(const Packet& packet) {
    if (size() == kHandedOverMax) ++first_;
    packets_[end_++ % kHandedOverMax] = packet;
  }

  /** What was given before it and did not come before it comes no more. One that is not known is
   * taken for the oldest: nothing may be heard twice. */
  void cameBack(uint32_t timestamp, uint32_t digest) {
    for (uint64_t at = first_; at < end_; ++at) {
      const Packet& packet = packets_[at % kHandedOverMax];
      if (packet.timestamp != timestamp || packet.digest != digest) continue;
      first_ = at + 1;
      return;
    }
    if (size() > 0) ++first_;
  }

  size_t size() const { return static_cast<size_t>(end_ - first_); }
  const Packet& operator[](size_t i) const { return packets_[(first_ + i) % kHandedOverMax]; }

 private:
  std::array<Packet, kHandedOverMax> packets_{};
  uint64_t first_ = 0;
  uint64_t end_ = 0;
};

}  // namespace tandem
