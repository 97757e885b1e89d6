#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "clock.h"
#include "clock_rates.h"
#include "latch.h"
#include "recent_packets.h"
#include "rtp_header.h"
#include "sequence.h"

namespace tandem {

/** All that a Normaliser knows, but for the packets of late. Trivial to copy. */
class NormaliserState {
 protected:
  /** Packets of one SSRC that follow each other by number. */
  struct Run {
    uint32_t ssrc = 0;
    uint16_t highestIn = 0;
    uint16_t sequenceOffset = 0;
    uint32_t timestampOffset = 0;
    /** As the sender wrote it, of the highest packet. */
    uint32_t lastTimestamp = 0;
    int64_t lastArrivalNs = 0;
    /** Extended number that it began with; what is late never comes before it. */
    uint64_t base = 0;
  };
  /** A run that was left for a packet which nothing has confirmed yet. */
  struct LeftRun {
    Run run;
    uint64_t highest;
  };

  Run current_;
  std::optional<LeftRun> before_;
  Run previous_;
  uint64_t highest_ = 0;
  uint64_t previousHighest_ = 0;
  int64_t lastArrivalNs_ = 0;
  int64_t changedAtNs_ = 0;
  double packetMs_ = 20;
  double candidateMs_ = 0;
  uint32_t lastTimestamp_ = 0;
  uint32_t clockHz_ = 8000;
  uint16_t recentGeneration_ = 1;
  uint8_t payloadType_ = 0;
  bool started_ = false;
  bool hasPrevious_ = false;
  bool runIsNew_ = false;
};

/**
 * One continuous stream out of what a sender sends, whatever it does with its SSRC and sequence
 * numbers. Within one SSRC all distances are kept, so an upstream loss stays a gap. When the sender
 * starts anew, the sequence goes on by one and the timestamp by the clock.
 *
 * Every packet gets a number at once; nothing is dropped, held back or put into another order. One
 * that fits nowhere (RFC 3550 appendix A.1: too far off, or another packet under a number that is
 * known) is the next in the stream. The packet after it tells what it was: where that one agrees
 * with it, the sender started anew with it; where that one goes on as before, it was a stray, and
 * the stream goes on behind it as before. No gap comes of either.
 */
class Normaliser : private NormaliserState {
 public:
  explicit Normaliser(RecentPackets::Memory& recent) : recent_(recent) {}

  struct Output {
    uint64_t extended;
    uint16_t sequence;
    uint32_t timestamp;
    /** Set when the sender's SSRC changed: the one before. */
    std::optional<uint32_t> changedFrom;
  };

  Output process(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    if (!started_) return begin(in, arrivalNs, rates);
    if (in.ssrc != current_.ssrc) {
      if (isLateFromBefore(in, arrivalNs)) return mapBefore(in);
      return change(in, arrivalNs, rates);
    }
    const RecentPackets::Entry* known = recent_.find(in.sequence, highest_);
    const bool isNext = in.sequence == static_cast<uint16_t>(current_.highestIn + 1);
    if (known != nullptr && !isNext && RecentPackets::isSame(*known, in)) {
      return outputOf(known->extended, in.timestamp + known->timestampOffset);
    }
    const bool fits = goesOn(current_, in, arrivalNs, rates);
    if (before_ && goesOn(before_->run, in, arrivalNs, rates) &&
        (!fits || isCloser(before_->run, current_, in))) {
      returnToRun();
    } else if (!fits) {
      if (known == nullptr) {
        if (const auto place = placeOf(in, rates)) return takeLate(in, *place);
      }
      return restart(in, arrivalNs, rates);
    }
    before_.reset();
    return advance(in, arrivalNs, rates);
  }

  const NormaliserState& state() const { return *this; }
  /** Goes on where another one stopped, whose packets of late it has. */
  void restore(const NormaliserState& state) {
    static_cast<NormaliserState&>(*this) = state;
    recent_.restore(recentGeneration_);
  }

  bool started() const { return started_; }
  Kinship kinshipOf(uint32_t ssrc) const {
    return started_ && ssrc == current_.ssrc ? Kinship::kSsrc : Kinship::kNone;
  }
  Kinship kinshipOf(const RtpHeader& in) const {
    const int32_t distance = sequenceDistance(current_.highestIn, in.sequence);
    const bool isNext = distance > 0 && distance <= kNextMax;
    const Kinship bySsrc = kinshipOf(in.ssrc);
    return bySsrc == Kinship::kSsrc && isNext ? Kinship::kNext : bySsrc;
  }
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
  // RFC 3550 appendix A.1.
  static constexpr int32_t kDropoutMax = 3000;
  static constexpr int32_t kMisorderMax = 100;
  /** With some that were lost on the way. */
  static constexpr int32_t kNextMax = 10;
  /** Packets under the old SSRC that come this late after a change still belong to their old place.
   */
  static constexpr int64_t kStragglerNs = 500 * kNsPerMs;
  /** A jump is a gap if twice the packets that fit into the silence explain it. */
  static constexpr double kGapFactor = 2.0;
  /** The longest packets, in parts of a second, and how far timestamps of neighbours may be off
   * besides (RFC 4733 events carry that of their beginning). */
  static constexpr uint32_t kPacketsPerSecondMin = 5;
  static constexpr int64_t kTimestampSlackSeconds = 2;

  static uint32_t elapsedTicks(int64_t elapsedNs, uint32_t hz) {
    const double ticks = static_cast<double>(elapsedNs) * static_cast<double>(hz) /
                         static_cast<double>(kNsPerSecond);
    return static_cast<uint32_t>(static_cast<int64_t>(ticks + (ticks < 0 ? -0.5 : 0.5)));
  }

  static Output outputOf(uint64_t extended, uint32_t timestamp) {
    return {extended, static_cast<uint16_t>(extended), timestamp, std::nullopt};
  }

  Output begin(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    started_ = true;
    current_ = Run{.ssrc = in.ssrc, .highestIn = static_cast<uint16_t>(in.sequence - 1)};
    highest_ = kFirstCycle + in.sequence - 1;
    lastTimestamp_ = in.timestamp;
    return advance(in, arrivalNs, rates);
  }

  bool isLateFromBefore(const RtpHeader& in, int64_t arrivalNs) const {
    if (!hasPrevious_ || in.ssrc != previous_.ssrc || arrivalNs - changedAtNs_ > kStragglerNs)
      return false;
    const int32_t distance = sequenceDistance(previous_.highestIn, in.sequence);
    return distance <= 0 && distance >= -kMisorderMax;
  }

  Output mapBefore(const RtpHeader& in) const {
    const auto sequence = static_cast<uint16_t>(in.sequence + previous_.sequenceOffset);
    return outputOf(extendNear(previousHighest_, sequence),
                    in.timestamp + previous_.timestampOffset);
  }

  Output change(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    previous_ = current_;
    previousHighest_ = highest_;
    hasPrevious_ = true;
    changedAtNs_ = arrivalNs;
    before_.reset();
    recent_.clear();
    recentGeneration_ = recent_.generation();
    beginRun(in, arrivalNs, rates);
    Output out = advance(in, arrivalNs, rates);
    out.changedFrom = previous_.ssrc;
    return out;
  }

  Output restart(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    // Two strays in a row: it is the run before them that may go on.
    if (!before_) before_ = LeftRun{current_, highest_};
    beginRun(in, arrivalNs, rates);
    return advance(in, arrivalNs, rates);
  }

  void beginRun(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    const uint32_t timestamp =
        lastTimestamp_ + elapsedTicks(arrivalNs - lastArrivalNs_, rates.of(in.payloadType));
    current_ = Run{.ssrc = in.ssrc,
                   .highestIn = static_cast<uint16_t>(in.sequence - 1),
                   .sequenceOffset = static_cast<uint16_t>(highest_ + 1 - in.sequence),
                   .timestampOffset = timestamp - in.timestamp,
                   .base = highest_ + 1};
    runIsNew_ = true;
  }

  /** Behind what came meanwhile. */
  void returnToRun() {
    current_ = before_->run;
    current_.sequenceOffset =
        static_cast<uint16_t>(current_.sequenceOffset + (highest_ - before_->highest));
    runIsNew_ = true;
  }

  /** Whether it can be the next of that run, by number and time. */
  bool goesOn(const Run& run, const RtpHeader& in, int64_t arrivalNs,
              const ClockRates& rates) const {
    const int32_t distance = sequenceDistance(run.highestIn, in.sequence);
    if (distance <= 0) return false;
    if (distance <= kMisorderMax) return true;
    const double silenceMs =
        static_cast<double>(arrivalNs - run.lastArrivalNs) / static_cast<double>(kNsPerMs);
    if (distance <= kGapFactor * silenceMs / packetMs_ + kMisorderMax) return true;
    if (distance >= kDropoutMax) return false;
    // So many are lost at once, or the sender started anew: its timestamps tell.
    const auto ticks = static_cast<int32_t>(in.timestamp - run.lastTimestamp);
    return ticks >= 0 && ticks <= longestTicks(distance, rates.of(in.payloadType));
  }

  static int64_t longestTicks(int64_t packets, uint32_t hz) {
    return packets * (hz / kPacketsPerSecondMin) + kTimestampSlackSeconds * hz;
  }

  /** Where both go on: by number, and by time where that does not tell. */
  static bool isCloser(const Run& run, const Run& other, const RtpHeader& in) {
    const int32_t distance = sequenceDistance(run.highestIn, in.sequence);
    const int32_t otherDistance = sequenceDistance(other.highestIn, in.sequence);
    if (distance != otherDistance) return distance < otherDistance;
    return absolute(in.timestamp - run.lastTimestamp) <
           absolute(in.timestamp - other.lastTimestamp);
  }

  static uint32_t absolute(uint32_t difference) {
    return static_cast<int32_t>(difference) < 0 ? 0u - difference : difference;
  }

  struct Place {
    /** Absent: by its time it is of this run, but there is no number between its neighbours. */
    std::optional<uint64_t> extended;
    uint32_t timestampOffset;
  };

  /** The place of a packet that is late by a few numbers, from its neighbours; none where it fits
   * none. */
  std::optional<Place> placeOf(const RtpHeader& in, const ClockRates& rates) const {
    const uint32_t hz = rates.of(in.payloadType);
    for (uint16_t ahead = 1; ahead < RecentPackets::kCount; ++ahead) {
      const auto* later = recent_.find(static_cast<uint16_t>(in.sequence + ahead), highest_);
      if (later == nullptr) continue;
      const auto ticks = static_cast<int32_t>(later->timestamp - in.timestamp);
      if (ticks < -kTimestampSlackSeconds * hz || ticks > longestTicks(ahead, hz))
        return std::nullopt;
      const uint64_t extended = later->extended - ahead;
      const bool isFree = extended >= lowestFree(in, *later, ahead);
      return Place{isFree ? std::optional(extended) : std::nullopt, later->timestampOffset};
    }
    return std::nullopt;
  }

  uint64_t lowestFree(const RtpHeader& in, const RecentPackets::Entry& later,
                      uint16_t ahead) const {
    for (uint16_t back = 1; back + ahead < RecentPackets::kCount; ++back) {
      const auto* earlier = recent_.find(static_cast<uint16_t>(in.sequence - back), highest_);
      if (earlier != nullptr) return earlier->extended + 1;
    }
    return later.extended >= current_.base ? current_.base : later.extended;
  }

  Output takeLate(const RtpHeader& in, const Place& place) {
    if (!place.extended) {
      ++highest_;
      ++current_.sequenceOffset;
    }
    const uint64_t extended = place.extended.value_or(highest_);
    recent_.put(in, extended, place.timestampOffset);
    return outputOf(extended, in.timestamp + place.timestampOffset);
  }

  Output advance(const RtpHeader& in, int64_t arrivalNs, const ClockRates& rates) {
    const auto sequence = static_cast<uint16_t>(in.sequence + current_.sequenceOffset);
    const Output out =
        outputOf(extendNear(highest_ + 1, sequence), in.timestamp + current_.timestampOffset);
    learnPacketTime(out, in, rates);
    highest_ = out.extended;
    current_.highestIn = in.sequence;
    current_.lastTimestamp = in.timestamp;
    current_.lastArrivalNs = arrivalNs;
    lastTimestamp_ = out.timestamp;
    lastArrivalNs_ = arrivalNs;
    payloadType_ = in.payloadType;
    clockHz_ = rates.of(in.payloadType);
    runIsNew_ = false;
    recent_.put(in, out.extended, current_.timestampOffset);
    return out;
  }

  /** From neighbours; believed when seen twice, since DTX and RFC 4733 events space packets
   * otherwise. */
  void learnPacketTime(const Output& out, const RtpHeader& in, const ClockRates& rates) {
    if (out.extended != highest_ + 1 || runIsNew_) return;
    const uint32_t ticks = out.timestamp - lastTimestamp_;
    const uint32_t hz = rates.of(in.payloadType);
    if (ticks == 0 || hz == 0 || ticks > hz / 5) return;
    const double ms = 1000.0 * ticks / hz;
    if (ms == candidateMs_) packetMs_ = ms;
    candidateMs_ = ms;
  }

  RecentPackets recent_;
};

}  // namespace tandem
