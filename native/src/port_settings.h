#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "address.h"
#include "clock_rates.h"

namespace tandem {

// What a port is told.

struct PortRemote {
  Address rtp;
  Address rtcp;
  bool send;
  ClockRates clockRates;
};

/** Where a port's packets go besides its forks. */
enum class RouteKind : uint8_t { kNone, kDirect, kRelay, kBypass };

struct PortRoute {
  using Kind = RouteKind;
  uint32_t portId = 0;
  Kind kind = Kind::kNone;
  std::optional<uint32_t> peerPortId;
  std::optional<Address> to;
  std::bitset<128> payloadTypes;
};

}  // namespace tandem
