#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "clock.h"

namespace tandem {

/** Between which numbers the packets lay that were sent in the last two seconds or so: what
 * somebody quotes who was on their way. */
class RecentlySent {
 public:
  void add(uint64_t number, int64_t monotonicNs) {
    Slot* slot = &slots_[newest_];
    if (monotonicNs - slot->beganNs >= kSlotNs || slot->isEmpty) {
      newest_ = (newest_ + 1) % kSlots;
      slot = &slots_[newest_];
      *slot = {monotonicNs, number, number, false};
      return;
    }
    slot->lowest = std::min(slot->lowest, number);
    slot->highest = std::max(slot->highest, number);
  }

  bool has(uint64_t number, int64_t monotonicNs) const {
    return std::any_of(slots_.begin(), slots_.end(), [=](const Slot& slot) {
      return !slot.isEmpty && monotonicNs - slot.beganNs < kKeepNs && number >= slot.lowest &&
             number <= slot.highest;
    });
  }

  void clear() { slots_ = {}; }

 private:
  struct Slot {
    int64_t beganNs = 0;
    uint64_t lowest = 0;
    uint64_t highest = 0;
    bool isEmpty = true;
  };
  static constexpr size_t kSlots = 6;
  static constexpr int64_t kSlotNs = kNsPerSecond / 2;
  static constexpr int64_t kKeepNs = 5 * kSlotNs;

  std::array<Slot, kSlots> slots_{};
  size_t newest_ = 0;
};

}  // namespace tandem
