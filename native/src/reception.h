#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "clock.h"
#include "rtcp.h"
#include "rtp_header.h"
#include "sequence.h"

namespace tandem {

/** What a receiver report says about one sender (RFC 3550 appendices A.1, A.3 and A.8). Starts anew
 * with a new SSRC, and with two packets in a row far from those before: one alone is counted in
 * neither way. */
class Reception {
 public:
  void onRtp(const RtpHeader& header, int64_t arrivalNs, uint32_t clockHz) {
    if (!ssrc_ || *ssrc_ != header.ssrc) {
      begin(header.ssrc, header.sequence);
    } else if (isFar(header.sequence)) {
      if (header.sequence != afterFar_) {
        afterFar_ = static_cast<uint16_t>(header.sequence + 1);
        return;
      }
      // The first of the two counts, too.
      begin(header.ssrc, static_cast<uint16_t>(header.sequence - 1));
      received_ = 1;
    }
    afterFar_.reset();
    const uint64_t extended = extendNear(highest_, header.sequence);
    highest_ = std::max(highest_, extended);
    base_ = std::min(base_, extended);
    ++received_;
    const double arrival =
        static_cast<double>(arrivalNs - firstNs(arrivalNs)) * clockHz / kNsPerSecond;
    const auto transit = static_cast<int64_t>(arrival) - static_cast<int64_t>(header.timestamp);
    if (hasTransit_) {
      // Modulo 2^32, as timestamps are.
      const double difference =
          std::abs(static_cast<double>(static_cast<int32_t>(transit - transit_)));
      jitter_ += (difference - jitter_) / 16;
    }
    transit_ = transit;
    hasTransit_ = true;
  }

  void onSenderReport(const SenderReportSeen& report, int64_t arrivalNs) {
    if (!ssrc_ || report.ssrc != *ssrc_) return;
    lastSenderReport_ = report.compactNtp;
    senderReportNs_ = arrivalNs;
  }

  const std::optional<uint32_t>& ssrc() const { return ssrc_; }
  /** Over all SSRCs so far. Duplicates make it smaller, as in the RFC. */
  int64_t lost() const { return lostBefore_ + lostNow(); }

  /** Takes the interval since the report before. */
  ReportBlock nextReport(int64_t nowNs) {
    const uint64_t expectedNow = expected() - expectedPrior_;
    const uint64_t receivedNow = received_ - receivedPrior_;
    expectedPrior_ = expected();
    receivedPrior_ = received_;
    uint8_t fraction = 0;
    if (expectedNow > 0 && receivedNow < expectedNow) {
      fraction = static_cast<uint8_t>(
          std::min<uint64_t>(255, ((expectedNow - receivedNow) << 8) / expectedNow));
    }
    const uint32_t delay =
        lastSenderReport_ == 0
            ? 0
            : static_cast<uint32_t>((nowNs - senderReportNs_) * 65536 / kNsPerSecond);
    const int64_t lost = std::clamp<int64_t>(lostNow(), -0x800000, 0x7fffff);
    return {*ssrc_,
            fraction,
            static_cast<int32_t>(lost),
            static_cast<uint32_t>(highest_ - kFirstCycle),
            static_cast<uint32_t>(jitter_),
            lastSenderReport_,
            delay};
  }

 private:
  static constexpr int32_t kDropoutMax = 3000;
  static constexpr int32_t kMisorderMax = 100;

  bool isFar(uint16_t sequence) const {
    const int32_t distance = sequenceDistance(static_cast<uint16_t>(highest_), sequence);
    return distance >= kDropoutMax || distance < -kMisorderMax;
  }

  void begin(uint32_t ssrc, uint16_t sequence) {
    lostBefore_ += lostNow();
    if (ssrc_ != ssrc) lastSenderReport_ = 0;
    ssrc_ = ssrc;
    base_ = highest_ = kFirstCycle + sequence;
    received_ = receivedPrior_ = expectedPrior_ = 0;
    jitter_ = 0;
    hasTransit_ = false;
  }

  uint64_t expected() const { return highest_ - base_ + 1; }
  int64_t lostNow() const {
    return ssrc_ ? static_cast<int64_t>(expected()) - static_cast<int64_t>(received_) : 0;
  }

  /** Arrival times count from the first packet, so that they keep their precision in ticks. */
  int64_t firstNs(int64_t arrivalNs) {
    if (firstNs_ == 0) firstNs_ = arrivalNs;
    return firstNs_;
  }

  std::optional<uint32_t> ssrc_;
  uint64_t base_ = 0;
  uint64_t highest_ = 0;
  uint64_t received_ = 0;
  uint64_t expectedPrior_ = 0;
  uint64_t receivedPrior_ = 0;
  int64_t lostBefore_ = 0;
  /** The number that would confirm a jump. */
  std::optional<uint16_t> afterFar_;
  int64_t firstNs_ = 0;
  int64_t transit_ = 0;
  bool hasTransit_ = false;
  double jitter_ = 0;
  uint32_t lastSenderReport_ = 0;
  int64_t senderReportNs_ = 0;
};

}  // namespace tandem
