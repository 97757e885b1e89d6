#pragma once

#include <optional>

#include "address.h"
#include "clock.h"
#include "refusal.h"

namespace tandem {

enum class LatchPolicy : uint8_t { kAnnounced, kAny };

/**
 * Which source a port listens to. A party may move to another port of its own address; another
 * address needs the latched one to have fallen silent, and is never taken under `announced` (RTP
 * bleed).
 */
class Latch {
 public:
  enum class Change : uint8_t { kNone, kLatched, kMoved };
  struct Verdict {
    Refusal refusal = Refusal::kNone;
    Change change = Change::kNone;
  };

  explicit Latch(LatchPolicy policy) : policy_(policy) {}

  void announce(const Address& remote) {
    if (announced_ && *announced_ == remote) return;
    announced_ = remote;
    latched_.reset();
  }

  /** `sameStream`: the packet carries the SSRC that is in use. */
  Verdict check(const Address& from, bool sameStream, int64_t nowNs) {
    if (latched_ && from == *latched_) {
      lastNs_ = nowNs;
      return {};
    }
    if (policy_ == LatchPolicy::kAnnounced) {
      if (!announced_) return {Refusal::kNotReady, Change::kNone};
      if (!from.sameIp(*announced_)) return {Refusal::kStranger, Change::kNone};
    }
    if (!latched_) return take(from, nowNs, Change::kLatched);
    const int64_t silenceNs = nowNs - lastNs_;
    const bool sameIp = from.sameIp(*latched_);
    const bool mayMove =
        sameIp ? sameStream || silenceNs >= kSilenceNs
               : silenceNs >= kOtherIpSilenceNs || (sameStream && silenceNs >= kSilenceNs);
    if (!mayMove) return {Refusal::kSecondSource, Change::kNone};
    return take(from, nowNs, Change::kMoved);
  }

  /** For RTCP muxed with RTP: taken from where RTP may come from, without latching on it. */
  Refusal admits(const Address& from) const {
    if (latched_ && from == *latched_) return Refusal::kNone;
    if (policy_ == LatchPolicy::kAnnounced) {
      if (!announced_) return Refusal::kNotReady;
      return from.sameIp(*announced_) ? Refusal::kNone : Refusal::kStranger;
    }
    return !latched_ || from.sameIp(*latched_) ? Refusal::kNone : Refusal::kStranger;
  }

  const std::optional<Address>& latched() const { return latched_; }
  /** Where to send: to the source if known, else to what was announced. */
  const Address* destination() const {
    if (latched_) return &*latched_;
    return announced_ ? &*announced_ : nullptr;
  }

 private:
  static constexpr int64_t kSilenceNs = 100 * kNsPerMs;
  static constexpr int64_t kOtherIpSilenceNs = 1000 * kNsPerMs;

  Verdict take(const Address& from, int64_t nowNs, Change change) {
    latched_ = from;
    lastNs_ = nowNs;
    return {Refusal::kNone, change};
  }

  LatchPolicy policy_;
  std::optional<Address> announced_;
  std::optional<Address> latched_;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
