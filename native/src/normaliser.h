#pragma once

#include <cstdint>
#include <optional>

#include "clock.h"
#include "clock_rates.h"
#include "rtp_header.h"
#include "sequence.h"

namespace tandem {

/**
 * One continuous stream out of what a sender sends, whatever it does with its SSRC and sequence
 * numbers. Within one SSRC all distances are kept, so an upstream loss stays a gap. When the sender
 * starts anew, the sequence goes on by one and the timestamp by the clock. Nothing is dropped
 * or put into another order.
 */
class Normaliser {
 public:
  struct Output {
    uint64_t extended;
    uint16_t sequence;
    uint32_t timestamp;
    /** Set when the sender's SSRC changed: the one before. */
    std::optional<uint32_t> changedFrom;
  };

  Output process(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    std::optional<uint32_t> changedFrom;
    if (!started_) {
      started_ = true;
      current_ = Mapping{in.ssrc, in.sequence, 0, 0};
      highest_ = kFirstCycle + in.sequence;
      advance(in, in.timestamp, arrivalNs, rates);
      return {highest_, in.sequence, in.timestamp, changedFrom};
    }
    if (in.ssrc != current_.ssrc) {
      if (isLateFromBefore(in, arrivalNs)) return map(previous_, previousHighest_, in);
      changedFrom = current_.ssrc;
      restart(in, arrivalNs, rates);
    } else if (isRestart(in, arrivalNs)) {
      restart(in, arrivalNs, rates);
    }
    Output out = map(current_, highest_, in);
    out.changedFrom = changedFrom;
    if (out.extended > highest_) {
      learnPacketTime(out, in, rates);
      highest_ = out.extended;
      current_.highestIn = in.sequence;
      advance(in, out.timestamp, arrivalNs, rates);
    }
    return out;
  }

  bool started() const { return started_; }
  uint32_t sourceSsrc() const { return current_.ssrc; }
  uint64_t highest() const { return highest_; }
  double packetMs() const { return packetMs_; }
  uint8_t payloadType() const { return payloadType_; }
  /** What to add to the sender's timestamps now. */
  uint32_t timestampOffset() const { return current_.timestampOffset; }
  /** What to add to the sender's sequence numbers now. */
  uint16_t sequenceOffset() const { return current_.sequenceOffset; }

  /** The stream's timestamp at a time, from the newest packet (RFC 3550 section 6.4.1). */
  uint32_t timestampAt(int64_t atNs) const {
    return lastTimestamp_ + elapsedTicks(atNs - lastArrivalNs_, clockHz_);
  }

 private:
  struct Mapping {
    uint32_t ssrc = 0;
    uint16_t highestIn = 0;
    uint16_t sequenceOffset = 0;
    uint32_t timestampOffset = 0;
  };

  // RFC 3550 appendix A.1: what lies between is reordering, or a gap.
  static constexpr int32_t kDropoutMax = 3000;
  static constexpr int32_t kMisorderMax = 100;
  /** Packets under the old SSRC that come this late after a change still belong to their old place.
   */
  static constexpr int64_t kStragglerNs = 500 * kNsPerMs;
  /** A jump is a gap if twice the packets that fit into the silence explain it. */
  static constexpr double kGapFactor = 2.0;

  static uint32_t elapsedTicks(int64_t elapsedNs, uint32_t hz) {
    const double ticks = static_cast<double>(elapsedNs) * static_cast<double>(hz) /
                         static_cast<double>(kNsPerSecond);
    return static_cast<uint32_t>(static_cast<int64_t>(ticks + (ticks < 0 ? -0.5 : 0.5)));
  }

  static Output map(const Mapping& mapping, uint64_t highest, const RtpHeader& in) {
    const auto sequence = static_cast<uint16_t>(in.sequence + mapping.sequenceOffset);
    return {extendNear(highest, sequence), sequence, in.timestamp + mapping.timestampOffset,
            std::nullopt};
  }

  bool isLateFromBefore(const RtpHeader& in, int64_t arrivalNs) const {
    if (!hasPrevious_ || in.ssrc != previous_.ssrc || arrivalNs - changedAtNs_ > kStragglerNs)
      return false;
    const int32_t distance = sequenceDistance(previous_.highestIn, in.sequence);
    return distance <= 0 && distance >= -kMisorderMax;
  }

  bool isRestart(const RtpHeader& in, int64_t arrivalNs) const {
    const int32_t distance = sequenceDistance(current_.highestIn, in.sequence);
    if (distance < -kMisorderMax) return true;
    if (distance < kDropoutMax) return false;
    const double silenceMs =
        static_cast<double>(arrivalNs - lastArrivalNs_) / static_cast<double>(kNsPerMs);
    return distance > kGapFactor * silenceMs / packetMs_ + kMisorderMax;
  }

  void restart(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    if (in.ssrc != current_.ssrc) {
      previous_ = current_;
      previousHighest_ = highest_;
      hasPrevious_ = true;
      changedAtNs_ = arrivalNs;
    }
    const auto next = static_cast<uint16_t>(highest_ + 1);
    const uint32_t timestamp =
        lastTimestamp_ + elapsedTicks(arrivalNs - lastArrivalNs_, rates.of(in.payloadType));
    current_.ssrc = in.ssrc;
    current_.highestIn = static_cast<uint16_t>(in.sequence - 1);
    current_.sequenceOffset = static_cast<uint16_t>(next - in.sequence);
    current_.timestampOffset = timestamp - in.timestamp;
  }

  void advance(const RtpHeader& in, uint32_t timestamp, int64_t arrivalNs,
               const ClockRates& rates) {
    lastTimestamp_ = timestamp;
    lastArrivalNs_ = arrivalNs;
    payloadType_ = in.payloadType;
    clockHz_ = rates.of(in.payloadType);
  }

  /** From neighbours; believed when seen twice, since DTX and RFC 4733 events space packets
   * otherwise. */
  void learnPacketTime(const Output& out, const RtpHeader& in, const ClockRates& rates) {
    if (out.extended != highest_ + 1 || out.changedFrom) return;
    const uint32_t ticks = out.timestamp - lastTimestamp_;
    const uint32_t hz = rates.of(in.payloadType);
    if (ticks == 0 || hz == 0 || ticks > hz / 5) return;
    const double ms = 1000.0 * ticks / hz;
    if (ms == candidateMs_) packetMs_ = ms;
    candidateMs_ = ms;
  }

  Mapping current_;
  Mapping previous_;
  uint64_t highest_ = 0;
  uint64_t previousHighest_ = 0;
  int64_t lastArrivalNs_ = 0;
  int64_t changedAtNs_ = 0;
  double packetMs_ = 20;
  double candidateMs_ = 0;
  uint32_t lastTimestamp_ = 0;
  uint32_t clockHz_ = 8000;
  uint8_t payloadType_ = 0;
  bool started_ = false;
  bool hasPrevious_ = false;
};

}  // namespace tandem
