#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "address.h"
#include "port_settings.h"
#include "reports.h"

namespace tandem {

// What there is, for a control that did not make it.

struct PortInventory {
  uint32_t portId;
  Address rtp;
  Address rtcp;
  uint32_t ssrc;
  std::optional<PortRemote> remote;
  PortRoute route;
};

struct ForkInventory {
  uint32_t forkId;
  uint32_t portId;
  uint32_t streamIndex;
  Address rtp;
  Address rtcp;
  ForkState state;
};

struct Inventory {
  std::vector<PortInventory> ports;
  std::vector<ForkInventory> forks;
};

}  // namespace tandem
