#include "fork_rtcp.h"

#include <algorithm>

#include "clock.h"

namespace tandem {

namespace {

/** At least so long after a BYE it is repeated, with the tick that comes next. */
constexpr int64_t kByeAgainNs = 25 * kNsPerMs;

}  // namespace

void ForkRtcp::onReport(int64_t monotonicNs, int64_t intervalNs, uint32_t random) {
  const double share = 0.5 + random / 4294967296.0;
  nextReportNs_ = monotonicNs + static_cast<int64_t>(static_cast<double>(intervalNs) * share);
}

bool ForkRtcp::byeIsDue(int64_t monotonicNs) const {
  return byeCount_ > 0 && byeCount_ < kByesMax && !isSettled_ && monotonicNs >= nextByeNs_;
}

void ForkRtcp::onBye(uint32_t ntp, int64_t monotonicNs) {
  byes_[byeCount_++] = ntp;
  nextByeNs_ = monotonicNs + kByeAgainNs;
}

ForkRtcp::Answer ForkRtcp::onAnswer(uint32_t lastSenderReport, bool hasLast) const {
  const auto end = byes_.begin() + static_cast<std::ptrdiff_t>(byeCount_);
  const auto bye = std::find(byes_.begin(), end, lastSenderReport);
  // A recorder that does not echo sender reports is given until the BYE is repeated.
  const bool answersFirst = bye == byes_.begin() && byeCount_ > 0;
  const bool answersLater =
      lastSenderReport == 0 ? byeCount_ > 1 : bye != end && bye != byes_.begin();
  // A BYE may overtake the media that was sent before it, as they have different ports: what is
  // missing behind the highest packet is held to be lost when a later BYE is answered the same way.
  return {hasLast || answersFirst || answersLater, hasLast || answersLater};
}

}  // namespace tandem
