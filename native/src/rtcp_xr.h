#pragma once

#include <cstddef>
#include <cstdint>

#include "bytes.h"
#include "rtcp.h"

namespace tandem {

// RFC 3611.
inline constexpr size_t kXrHeaderBytes = 8;
inline constexpr uint8_t kLossRle = 1;
inline constexpr size_t kRleHeaderBytes = 12;

/** A Loss RLE block (section 4.1), checked to lie within its packet; `first` to `end - 1`, on the
 * circle of 16-bit numbers. */
struct LossRle {
  uint32_t ssrc;
  uint16_t first;
  uint16_t end;
  const uint8_t* chunks;
  size_t chunkCount;
  uint16_t numbers() const { return static_cast<uint16_t>(end - first); }
};

/** Calls `visit(LossRle)` for every Loss RLE block that leaves no number out (thinning, T, is 0):
 * another one cannot be exact. */
template <typename Visit>
void forEachLossRle(uint8_t* data, size_t size, Visit&& visit) {
  RtcpReader reader(data, size);
  while (const auto packet = reader.next()) {
    if (packet->type() != kRtcpExtendedReport) continue;
    for (size_t at = kXrHeaderBytes; at + 4 <= packet->size;) {
      const uint8_t* block = packet->data + at;
      const size_t length = 4 + 4u * read16(block + 2);
      if (length > packet->size - at) break;
      at += length;
      const bool isThinned = (block[1] & 0x0f) != 0;
      if (block[0] != kLossRle || isThinned || length < kRleHeaderBytes) continue;
      visit(LossRle{read32(block + 4), read16(block + 8), read16(block + 10),
                    block + kRleHeaderBytes, (length - kRleHeaderBytes) / 2});
    }
  }
}

/** Calls `visit(offset, count, received)` for runs that follow on each other from `first` on;
 * numbers that no chunk tells of are left out. */
template <typename Visit>
void forEachRun(const LossRle& block, Visit&& visit) {
  constexpr uint32_t kVectorBits = 15;
  uint32_t at = 0;
  const uint32_t end = block.numbers();
  for (size_t i = 0; i < block.chunkCount && at < end; ++i) {
    const uint16_t chunk = read16(block.chunks + 2 * i);
    if (chunk == 0) return;
    if ((chunk & 0x8000) == 0) {
      const uint32_t count = std::min<uint32_t>(chunk & 0x3fff, end - at);
      visit(at, count, (chunk & 0x4000) != 0);
      at += count;
      continue;
    }
    for (uint32_t bit = 0; bit < kVectorBits && at < end; ++bit, ++at)
      visit(at, 1u, (chunk >> (kVectorBits - 1 - bit) & 1) != 0);
  }
}

}  // namespace tandem
