#pragma once

#include <cstdint>

namespace tandem {

/** Extended sequence numbers start at cycle 1, so that a packet reordered before the first one
 * stays positive. */
inline constexpr uint64_t kFirstCycle = 65536;

/** Signed distance from `from` to `to` on the circle of 16-bit sequence numbers. */
inline int32_t sequenceDistance(uint16_t from, uint16_t to) {
  return static_cast<int16_t>(static_cast<uint16_t>(to - from));
}

/** The extended number nearest to `reference` whose low 16 bits are `sequence`. */
inline uint64_t extendNear(uint64_t reference, uint16_t sequence) {
  return static_cast<uint64_t>(static_cast<int64_t>(reference) +
                               sequenceDistance(static_cast<uint16_t>(reference), sequence));
}

}  // namespace tandem
