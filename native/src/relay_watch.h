#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "clock.h"
#include "rtp_header.h"
#include "sequence.h"

namespace tandem {

/** Why mediasoup does not forward a packet. Order matches `kUnforwardedNames`. */
enum class Unforwarded : uint8_t { kNone, kEmpty, kPayloadType, kGap, kCount };

inline constexpr std::array<const char*, static_cast<size_t>(Unforwarded::kCount)>
    kUnforwardedNames = {"", "empty", "payload_type", "gap"};

struct UnforwardedCounts {
  std::array<uint64_t, static_cast<size_t>(Unforwarded::kCount)> byReason{};

  void add(Unforwarded reason) { ++byReason[static_cast<size_t>(reason)]; }
  void add(const UnforwardedCounts& other) {
    for (size_t i = 0; i < byReason.size(); ++i) byReason[i] += other.byReason[i];
  }
};

/**
 * Which sequence numbers a stream of mediasoup takes: RFC 3550 appendix A.1 with its own bounds
 * (RtpStream.cpp). Each packet passes two of these, that of the producer and that of the consumer.
 */
class MediasoupSequence {
 public:
  bool started() const { return started_; }

  bool takes(uint16_t sequence) {
    if (!started_) {
      started_ = true;
      highest_ = sequence;
      return true;
    }
    const auto ahead = static_cast<uint16_t>(sequence - highest_);
    if (ahead < kDropoutMax) {
      highest_ = sequence;
      return true;
    }
    if (ahead > 65536 - kMisorderMax) return true;
    if (bad_ == sequence) {
      highest_ = sequence;
      bad_ = kNoneBad;
      return true;
    }
    bad_ = static_cast<uint16_t>(sequence + 1);
    return false;
  }

 private:
  static constexpr uint16_t kDropoutMax = 3000;
  static constexpr uint32_t kMisorderMax = 1500;
  static constexpr uint32_t kNoneBad = 65536;

  bool started_ = false;
  uint16_t highest_ = 0;
  uint32_t bad_ = kNoneBad;
};

/**
 * Whether what one port hands to mediasoup comes out of the other. Only packets count that it
 * forwards for certain, and of the time between them only so much at once as packets are apart: a
 * thread that was itself held up, a pause of the party or single packets of comfort noise prove
 * nothing.
 */
class RelayWatch {
 public:
  explicit RelayWatch(const std::bitset<128>& payloadTypes) : payloadTypes_(payloadTypes) {}

  Unforwarded classify(const RtpHeader& header, uint16_t sequence) {
    const bool known = payloadTypes_.test(header.payloadType & 0x7f);
    // A producer's stream begins with a packet that it knows.
    if (!known && !producer_.started()) return Unforwarded::kPayloadType;
    if (!producer_.takes(sequence)) return Unforwarded::kGap;
    if (!known) return Unforwarded::kPayloadType;
    if (header.payloadBytes == 0) return Unforwarded::kEmpty;
    return consumer_.takes(sequence) ? Unforwarded::kNone : Unforwarded::kGap;
  }

  void handedOver(int64_t atNs) {
    if (waiting_) {
      waitedNs_ += std::min(atNs - lastNs_, kStepNs);
    } else {
      waiting_ = true;
      waitedNs_ = 0;
      sinceNs_ = atNs;
    }
    lastNs_ = atNs;
  }

  void cameBack() { waiting_ = false; }

  bool silent() const { return waiting_ && waitedNs_ >= kPatienceNs; }
  /** Monotonic time of the first packet that did not come back. */
  int64_t sinceNs() const { return sinceNs_; }

 private:
  static constexpr int64_t kPatienceNs = 160 * kNsPerMs;
  static constexpr int64_t kStepNs = 64 * kNsPerMs;

  std::bitset<128> payloadTypes_;
  MediasoupSequence producer_;
  MediasoupSequence consumer_;
  bool waiting_ = false;
  int64_t sinceNs_ = 0;
  int64_t lastNs_ = 0;
  int64_t waitedNs_ = 0;
};

}  // namespace tandem
