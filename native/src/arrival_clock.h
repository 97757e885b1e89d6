#pragma once

#include <algorithm>
#include <cstdint>

#include "clock.h"

namespace tandem {

/** Receive times of the kernel, which are of the machine's clock, as times of the edge's clock,
 * also while the machine's clock is being set. */
class ArrivalClock {
 public:
  /** Reads both clocks, after what is to be converted was received. */
  void sample() {
    // Anything may come between two readings: the closest pair of a few is taken.
    int64_t closestNs = INT64_MAX;
    for (int i = 0; i < kReadings && closestNs > kCloseNs; ++i) {
      const int64_t before = nowNs();
      const int64_t wall = wallNs();
      const int64_t after = nowNs();
      if (after - before >= closestNs) continue;
      closestNs = after - before;
      set(wall, before + closestNs / 2);
    }
    nowNs_ = nowNs();
  }

  /** For tests: what `sample` reads. */
  void sample(int64_t wallNs, int64_t atNs) {
    set(wallNs, atNs);
    nowNs_ = atNs;
  }

  /** @param notBeforeNs nothing that is read now came before */
  int64_t convert(int64_t stampNs, int64_t notBeforeNs) const {
    const int64_t at = stampNs + offsetNs_;
    if (at >= notBeforeNs && at <= nowNs_) return at;
    // Stamped before the clock was set.
    const int64_t asBefore = stampNs + offsetBeforeNs_;
    if (asBefore >= notBeforeNs && asBefore <= nowNs_) return asBefore;
    return std::clamp(at, std::min(notBeforeNs, nowNs_), nowNs_);
  }

  int64_t lastSampleNs() const { return nowNs_; }

 private:
  static constexpr int kReadings = 3;
  static constexpr int64_t kCloseNs = 5'000;
  /** Less is the difference between two readings. */
  static constexpr int64_t kStepNs = kNsPerMs;

  void set(int64_t wallNs, int64_t atNs) {
    const int64_t offsetNs = atNs - wallNs;
    const int64_t stepNs = offsetNs - offsetNs_;
    if (stepNs > kStepNs || stepNs < -kStepNs) offsetBeforeNs_ = offsetNs_;
    offsetNs_ = offsetNs;
  }

  int64_t offsetNs_ = 0;
  int64_t offsetBeforeNs_ = 0;
  int64_t nowNs_ = 0;
};

}  // namespace tandem
