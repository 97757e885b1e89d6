#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "limits.h"

namespace tandem {

/** When a fork sends its reports and its BYEs, and what the answers to these mean. */
class ForkRtcp {
 public:
  int64_t nextReportNs() const { return nextReportNs_; }
  bool reportIsDue(int64_t monotonicNs) const { return monotonicNs >= nextReportNs_; }
  /** The next comes between half an interval and one and a half later (RFC 3550 section 6.2), so
   * that those of many forks part. */
  void onReport(int64_t monotonicNs, int64_t intervalNs, uint32_t random);

  bool byeIsDue(int64_t monotonicNs) const;
  /** `ntp`: of its sender report, as a receiver report echoes it. */
  void onBye(uint32_t ntp, int64_t monotonicNs);

  struct Answer {
    /** The recorder knew that nothing more would come. */
    bool isFinal;
    /** No report that came later would say more. */
    bool settles;
  };
  /** @param hasLast it has the highest number that was sent */
  Answer onAnswer(uint32_t lastSenderReport, bool hasLast) const;
  void settle() { isSettled_ = true; }
  bool isSettled() const { return isSettled_; }

 private:
  int64_t nextReportNs_ = 0;
  /** Compact NTP times of the sender reports that went with a BYE. */
  std::array<uint32_t, kByesMax> byes_{};
  size_t byeCount_ = 0;
  int64_t nextByeNs_ = 0;
  bool isSettled_ = false;
};

}  // namespace tandem
