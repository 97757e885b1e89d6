#pragma once

#include <array>
#include <cstdint>

namespace tandem {

/** RTP clock rate by payload type number; 8,000 Hz where the SDP said nothing. */
class ClockRates {
 public:
  static constexpr uint32_t kDefaultHz = 8000;

  ClockRates() { rates_.fill(kDefaultHz); }
  void set(uint8_t payloadType, uint32_t hz) { rates_[payloadType & 0x7f] = hz; }
  uint32_t of(uint8_t payloadType) const { return rates_[payloadType & 0x7f]; }

 private:
  std::array<uint32_t, 128> rates_;
};

}  // namespace tandem
