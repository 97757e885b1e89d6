#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "clock.h"

namespace tandem {

/** How far a time that is read off a line may be from when the packet came. */
inline constexpr int64_t kTimeErrorNs = kNsPerSecond / 2;

/** Which slopes a line from a range's first packet to its newest may have and go past none in
 * between by more than that: each narrows them ("swinging door"). */
class TimeLine {
 public:
  void beginAnew() {
    lowest_ = -std::numeric_limits<double>::infinity();
    highest_ = std::numeric_limits<double>::infinity();
  }
  /** The packet so many numbers behind the first came so long after it. */
  void pass(uint64_t numbers, int64_t ns) {
    const auto count = static_cast<double>(numbers);
    lowest_ = std::max(lowest_, static_cast<double>(ns - kTimeErrorNs) / count);
    highest_ = std::min(highest_, static_cast<double>(ns + kTimeErrorNs) / count);
  }
  /** Whether a line may end there. */
  bool mayEndAt(uint64_t numbers, int64_t ns) const {
    const double slope = static_cast<double>(ns) / static_cast<double>(numbers);
    return slope >= lowest_ && slope <= highest_;
  }

 private:
  double lowest_ = -std::numeric_limits<double>::infinity();
  double highest_ = std::numeric_limits<double>::infinity();
};

}  // namespace tandem
