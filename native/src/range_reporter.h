#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "packet_log.h"

namespace tandem {

/**
 * Reports of what was received, packet by packet: RTCP XR with Loss RLE and Duplicate RLE blocks,
 * not thinned (RFC 3611 sections 4.1 and 4.2). Each report goes back over the intervals of several
 * before it, as far as one datagram holds that, so that reports may be lost; what no report has
 * named yet is always in, if need be over several datagrams.
 */
class RangeReporter {
 public:
  /** Whether this packet would push out of the log what was not reported: then a report comes
   * before it. */
  bool wouldLose(uint32_t ssrc, uint16_t sequence, int64_t nowNs) const;
  void onRtp(uint32_t ssrc, uint16_t sequence, int64_t nowNs);

  /** Takes the interval since the report before; `write` until nothing is left of it. `bytesMax`:
   * of each XR packet. */
  void begin(size_t bytesMax);
  bool left() const { return at_ < to_; }
  /** One XR packet of at most `bytesMax`, which holds a block for a thousand numbers at the worst.
   */
  size_t write(uint8_t* out, uint32_t sender);

 private:
  /** Reports that a lost packet of RTCP may lie back. */
  static constexpr size_t kIntervals = 8;

  size_t bytesOf(uint64_t from, uint64_t to) const;

  PacketLog log_;
  uint32_t ssrc_ = 0;
  /** The lowest number that each of the last reports brought news of; the newest first. */
  std::array<uint64_t, kIntervals> from_{};
  size_t intervals_ = 0;
  /** One past the last number that was reported. */
  uint64_t reported_ = 0;
  /** The lowest number that came since. */
  std::optional<uint64_t> lowest_;
  uint64_t at_ = 0;
  uint64_t to_ = 0;
  size_t bytesMax_ = 0;
};

}  // namespace tandem
