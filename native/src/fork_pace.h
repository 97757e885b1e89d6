#pragma once

#include <cstdint>

namespace tandem {

/** How far a fork that is behind may have come: so many times as fast as the packets arrived. */
class ForkPace {
 public:
  /** With the next packet it begins anew: what was left out takes no time. */
  void beginAnew() { begins_ = true; }
  bool begins() const { return begins_; }
  void beginAt(int64_t arrivalNs, int64_t monotonicNs) {
    arrivalNs_ = arrivalNs;
    monotonicNs_ = monotonicNs;
    begins_ = false;
  }
  /** What arrived until then may be sent now. */
  int64_t until(int64_t monotonicNs, double rate) const {
    return arrivalNs_ +
           static_cast<int64_t>(static_cast<double>(monotonicNs - monotonicNs_) * rate);
  }

 private:
  bool begins_ = true;
  int64_t arrivalNs_ = 0;
  int64_t monotonicNs_ = 0;
};

}  // namespace tandem
