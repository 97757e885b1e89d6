#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "clock.h"
#include "sequence.h"

namespace tandem {

/**
 * Which packets of one SSRC came, and which of them more than once: of the newest 16,384 numbers,
 * two bits each. Whatever comes is placed on one row of extended numbers: a jump of the sender is a
 * gap, however far.
 */
class PacketLog {
 public:
  static constexpr uint64_t kSize = 16'384;

  /** The extended number that this packet would get. */
  uint64_t place(uint16_t sequence, int64_t nowNs) const {
    if (empty()) return kFirstCycle + sequence;
    const uint64_t highest = end_ - 1;
    const uint64_t nearest = extendNear(highest, sequence);
    if (nearest > highest) return nearest;
    // Nothing is late after a silence: the sender has gone once round, or began anew.
    const uint64_t lateMax = nowNs - lastNs_ > kLateNsMax ? 0 : kLateMax;
    return highest - nearest < lateMax ? nearest : nearest + kFirstCycle;
  }

  /** `extended` as `place` gave it. */
  void add(uint64_t extended, int64_t nowNs) {
    lastNs_ = nowNs;
    if (empty()) {
      first_ = end_ = extended;
      received_ = {};
      duplicated_ = {};
    }
    if (extended >= end_) {
      // What leaves the log makes room for what comes; beyond its size all has left.
      const uint64_t from = extended - end_ >= kSize ? extended - kSize + 1 : end_;
      for (uint64_t i = from; i <= extended; ++i) {
        set(received_, i, false);
        set(duplicated_, i, false);
      }
      end_ = extended + 1;
    } else if (get(received_, extended)) {
      set(duplicated_, extended, true);
    }
    set(received_, extended, true);
    first_ = std::max(std::min(first_, extended), end_ - std::min(end_, kSize));
  }

  void clear() { first_ = end_ = 0; }
  bool empty() const { return end_ == 0; }
  /** Of what is known: the first number, and one past the last. */
  uint64_t first() const { return first_; }
  uint64_t end() const { return end_; }
  bool received(uint64_t extended) const { return get(received_, extended); }
  bool duplicated(uint64_t extended) const { return get(duplicated_, extended); }

 private:
  using Bits = std::array<uint64_t, kSize / 64>;
  /** A packet this far back, while packets come, is late. */
  static constexpr uint64_t kLateMax = 4'096;
  static constexpr int64_t kLateNsMax = 2 * kNsPerSecond;

  static bool get(const Bits& bits, uint64_t i) {
    return (bits[i % kSize / 64] >> (i % 64) & 1) != 0;
  }
  static void set(Bits& bits, uint64_t i, bool value) {
    const uint64_t bit = uint64_t{1} << (i % 64);
    uint64_t& word = bits[i % kSize / 64];
    word = value ? word | bit : word & ~bit;
  }

  Bits received_{};
  Bits duplicated_{};
  uint64_t first_ = 0;
  uint64_t end_ = 0;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
