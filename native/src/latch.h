#pragma once

#include <optional>

#include "address.h"
#include "clock.h"
#include "refusal.h"

namespace tandem {

enum class LatchPolicy : uint8_t { kAnnounced, kAny };

/** What a packet has of the stream that is in use: nothing, its SSRC, or its next number, too,
 * which who does not hear it cannot know. */
enum class Kinship : uint8_t { kNone, kSsrc, kNext };

/**
 * Which source a port listens to. The address that was announced has it as soon as it sends.
 * Another one gets in as symmetric RTP needs it, which is while none that has it is heard: under
 * `announced` from the announced IP address only (RTP bleed), under `any` from anywhere. The stream
 * may go on from another port of its IP address at once. Whoever had it when another address was
 * announced has had it: what it still sends does not bring it back.
 */
class Latch {
 public:
  enum class Change : uint8_t { kNone, kLatched, kMoved };
  struct Verdict {
    Refusal refusal = Refusal::kNone;
    Change change = Change::kNone;
  };

  /** Silence of the one that has it, after which another stream may come from its own IP address,
   * and from another one. */
  struct Patience {
    int64_t sameIpNs;
    int64_t otherIpNs;
  };

  Latch(LatchPolicy policy, const Patience& patience) : policy_(policy), patience_(patience) {}

  void announce(const Address& remote) {
    if (announced_ && *announced_ == remote) return;
    // Who came before anything was announced may be the one.
    if (announced_ && latched_) release();
    announced_ = remote;
  }

  /** Whoever has it has had it. */
  void release() {
    former_ = latched_;
    latched_.reset();
  }

  /** As if nobody had been heard. */
  void forget() { latched_.reset(); }

  Verdict check(const Address& from, Kinship kinship, int64_t atNs) {
    if (latched_ && from == *latched_) {
      lastNs_ = atNs;
      return {};
    }
    if (isAnnounced(from)) return take(from, atNs);
    if (policy_ == LatchPolicy::kAnnounced) {
      if (!announced_) return {Refusal::kNotReady, Change::kNone};
      if (!from.sameIp(*announced_)) return {Refusal::kStranger, Change::kNone};
    }
    const int64_t silenceNs = atNs - lastNs_;
    if (former_ && from == *former_ && announced_ && !mayReturn(silenceNs))
      return {Refusal::kSecondSource, Change::kNone};
    if (latched_ && silenceNs < silenceNeededNs(from, kinship))
      return {Refusal::kSecondSource, Change::kNone};
    return take(from, atNs);
  }

  /** Whoever has it was heard then. */
  void heard(int64_t atNs) {
    if (latched_) lastNs_ = atNs;
  }

  /** For RTCP muxed with RTP: taken from where RTP comes from, without latching on it. */
  Refusal admits(const Address& from) const {
    if (latched_ && from == *latched_) return Refusal::kNone;
    if (isAnnounced(from)) return Refusal::kNone;
    if (policy_ == LatchPolicy::kAnnounced) {
      if (!announced_) return Refusal::kNotReady;
      if (!from.sameIp(*announced_)) return Refusal::kStranger;
    }
    if (!latched_) return Refusal::kNone;
    return from.sameIp(*latched_) ? Refusal::kSecondSource : Refusal::kStranger;
  }

  const std::optional<Address>& latched() const { return latched_; }
  const std::optional<Address>& announced() const { return announced_; }
  bool isAnnounced(const Address& from) const { return announced_ && *announced_ == from; }
  /** Where to send: to the source if known, else to what was announced. */
  const Address* destination() const {
    if (latched_) return &*latched_;
    return announced_ ? &*announced_ : nullptr;
  }

 private:
  /** Silence of the one that has it, after which its stream may come from elsewhere, and after
   * which one that had it may have it again. */
  static constexpr int64_t kMovedSilenceNs = 100 * kNsPerMs;
  static constexpr int64_t kReturnSilenceNs = 500 * kNsPerMs;

  int64_t silenceNeededNs(const Address& from, Kinship kinship) const {
    const bool sameIp = from.sameIp(*latched_);
    if (sameIp && kinship == Kinship::kNext) return 0;
    if (kinship != Kinship::kNone) return kMovedSilenceNs;
    return sameIp ? patience_.sameIpNs : patience_.otherIpNs;
  }

  /** Under `any`, what is announced may never be right (NAT): then the source is as it was. */
  bool mayReturn(int64_t silenceNs) const {
    return policy_ == LatchPolicy::kAny && silenceNs >= kReturnSilenceNs;
  }

  Verdict take(const Address& from, int64_t atNs) {
    const Change change = latched_ ? Change::kMoved : Change::kLatched;
    latched_ = from;
    if (former_ && *former_ == from) former_.reset();
    lastNs_ = atNs;
    return {Refusal::kNone, change};
  }

  LatchPolicy policy_;
  Patience patience_;
  std::optional<Address> announced_;
  std::optional<Address> latched_;
  std::optional<Address> former_;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
