#pragma once

#include <cstdint>
#include <optional>

#include "reports.h"
#include "shm_layout.h"

namespace tandem {

// What shared memory tells of a port or a fork in that slot, as it is shown: without asking the
// thread that it lives on. All throw EDGE_MEMORY for what cannot be.

StreamReport streamReport(const MappedMemory& memory, size_t slot);
/** When the last packet came; 0: none yet. */
int64_t lastHeardNs(const MappedMemory& memory, size_t slot);
/** Set while the port goes around mediasoup without having been told to. */
std::optional<RelayStall> relayStall(const MappedMemory& memory, size_t slot);
/** Of the oldest packet in the ring that arrived then or later; one past the newest when none
 * did. Absent before the first packet. */
std::optional<uint64_t> sequenceAt(const MappedMemory& memory, size_t slot, int64_t atNs);

ForkReport forkReport(const MappedMemory& memory, size_t slot, uint32_t id);
ForkSigns forkSigns(const MappedMemory& memory, size_t slot, uint32_t id);

}  // namespace tandem
