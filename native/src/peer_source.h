#pragma once

#include <optional>

#include "address.h"
#include "latch.h"

namespace tandem {

/** Where a party's RTP and RTCP come from, and where to send them. RTCP follows RTP: it comes from
 * the same IP address, and what was learnt of it is forgotten when RTP moves. */
class PeerSource {
 public:
  explicit PeerSource(LatchPolicy policy) : rtp_(policy), rtcp_(policy) {}

  void announce(const Address& rtp, const Address& rtcp) {
    rtp_.announce(rtp);
    rtcp_.announce(rtcp);
    muxed_ = rtp == rtcp;
  }

  Latch::Verdict checkRtp(const Address& from, Kinship kinship, int64_t atNs) {
    const Latch::Verdict verdict = rtp_.check(from, kinship, atNs);
    const bool strangers = rtcp_.latched() && !rtcp_.latched()->sameIp(from);
    const bool parted = verdict.change == Latch::Change::kMoved && !areAsAnnounced();
    if (verdict.change != Latch::Change::kNone && (strangers || parted)) rtcp_.release();
    return verdict;
  }

  /** `onRtpSocket`: RTCP that came in muxed, whether that was agreed or not. */
  Refusal checkRtcp(const Address& from, bool onRtpSocket, Kinship kinship, int64_t atNs) {
    if (onRtpSocket) return rtp_.admits(from);
    const bool fromElsewhere = rtp_.latched() && !from.sameIp(*rtp_.latched());
    if (fromElsewhere && !rtcp_.isAnnounced(from)) return Refusal::kStranger;
    return rtcp_.check(from, kinship, atNs).refusal;
  }

  bool muxed() const { return muxed_; }
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
