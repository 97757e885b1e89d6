#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tandem {

/** How RTCP of one side reads on the other side of a normaliser. */
struct RtcpRewrite {
  /** SSRC that the sender has on the other side. */
  uint32_t sender = 0;
  /** Added to the RTP timestamp of sender reports. */
  uint32_t timestampOffset = 0;
  /** Report blocks about this SSRC are kept, and are then about `reportedAs`. */
  uint32_t reported = 0;
  std::optional<uint32_t> reportedAs;
  /** Added to the highest sequence number of those blocks. */
  uint16_t sequenceOffset = 0;
};

/**
 * Rewrites a checked compound in place and returns its new size. SR, RR and one-chunk SDES stay;
 * what names SSRCs in other ways (BYE, APP, feedback) is left out, because a BYE of a restarted
 * worker is not the party's.
 */
size_t rewriteRtcp(uint8_t* data, size_t size, const RtcpRewrite& rules);

}  // namespace tandem
