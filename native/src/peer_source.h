#pragma once

#include <optional>

#include "address.h"
#include "latch.h"

namespace tandem {

/**
 * Where a party's RTP and RTCP come from, and where to send them. RTCP follows RTP: it comes from
 * the same IP address, and what was learnt of it is forgotten when RTP moves. It is seconds apart,
 * so that silence says little: once RTP is heard, another port than the announced one gets in under
 * the SSRC of the stream alone. Whoever shares the party's IP address would else be sent what the
 * peer reports, which tells him how to take the stream over.
 */
class PeerSource {
 public:
  PeerSource() : PeerSource(LatchPolicy::kAnnounced) {}
  explicit PeerSource(LatchPolicy policy)
      : rtp_(policy, kRtpPatience), rtcp_(policy, kRtcpPatience) {}

  void announce(const Address& rtp, const Address& rtcp) {
    rtp_.announce(rtp);
    rtcp_.announce(rtcp);
    muxed_ = rtp == rtcp;
  }

  Latch::Verdict checkRtp(const Address& from, Kinship kinship, int64_t atNs) {
    const Latch::Verdict verdict = rtp_.check(from, kinship, atNs);
    const bool strangers = rtcp_.latched() && !rtcp_.latched()->sameIp(from);
    const bool moved = verdict.change == Latch::Change::kMoved;
    // Whose RTCP came before RTP did may be anybody's.
    const bool parted = moved ? !areAsAnnounced() : rtcp_.latched() != rtcp_.announced();
    if (verdict.change != Latch::Change::kNone && (strangers || parted)) rtcp_.forget();
    return verdict;
  }

  /** The newest packet of RTP that was taken came then. */
  void heardRtp(int64_t atNs) { rtp_.heard(atNs); }

  /** `onRtpSocket`: RTCP that came in muxed, whether that was agreed or not. */
  Refusal checkRtcp(const Address& from, bool onRtpSocket, Kinship kinship, int64_t atNs) {
    if (onRtpSocket) return rtp_.admits(from);
    if (rtp_.latched() && !rtcp_.isAnnounced(from)) {
      if (!from.sameIp(*rtp_.latched())) return Refusal::kStranger;
      const bool hasIt = rtcp_.latched() && from == *rtcp_.latched();
      if (!hasIt && kinship == Kinship::kNone) return Refusal::kSecondSource;
    }
    return rtcp_.check(from, kinship, atNs).refusal;
  }

  bool muxed() const { return muxed_; }
  const std::optional<Address>& announcedRtp() const { return rtp_.announced(); }
  const std::optional<Address>& announcedRtcp() const { return rtcp_.announced(); }
  const std::optional<Address>& latched() const { return rtp_.latched(); }
  std::optional<Address> rtpDestination() const { return sendable(rtp_.destination()); }
  std::optional<Address> rtcpDestination() const {
    if (muxed_) return rtpDestination();
    if (rtcp_.latched() || !rtp_.latched() || rtp_.isAnnounced(*rtp_.latched()))
      return sendable(rtcp_.destination());
    // Not where RTP was announced: then RTCP is not either, but beside it (RFC 3550 section 11).
    Address beside = *rtp_.latched();
    beside.setPort(static_cast<uint16_t>(beside.port() + 1));
    return sendable(&beside);
  }

 private:
  /** Longer than comfort noise is apart; and than three reports are (RFC 3550 section 6.2). */
  static constexpr Latch::Patience kRtpPatience{500 * kNsPerMs, kNsPerSecond};
  static constexpr Latch::Patience kRtcpPatience{15 * kNsPerSecond, 15 * kNsPerSecond};

  static std::optional<Address> sendable(const Address* to) {
    if (to == nullptr || to->port() == 0) return std::nullopt;
    return *to;
  }

  bool areAsAnnounced() const {
    return rtp_.latched() == rtp_.announced() && rtcp_.latched() == rtcp_.announced();
  }

  Latch rtp_;
  Latch rtcp_;
  bool muxed_ = false;
};

}  // namespace tandem
