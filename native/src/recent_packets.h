#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "rtp_header.h"

namespace tandem {

/** The last packets of one SSRC by their own sequence numbers: tells a packet that came again or
 * late from another packet under the same number. They lie in memory that is lent to it. */
class RecentPackets {
 public:
  static constexpr uint16_t kCount = 256;

  struct Entry {
    uint64_t extended = 0;
    /** As the sender wrote it, and what was added to it. */
    uint32_t timestamp = 0;
    uint32_t timestampOffset = 0;
    uint32_t digest = 0;
    uint16_t sequence = 0;
    /** Of the SSRC; 0: never used. */
    uint16_t generation = 0;
  };

  using Memory = std::array<Entry, kCount>;

  explicit RecentPackets(Memory& entries) : entries_(entries) {}

  uint16_t generation() const { return generation_; }
  void restore(uint16_t generation) { generation_ = generation; }

  /** Another SSRC begins. */
  void clear() { generation_ = generation_ == UINT16_MAX ? 1 : generation_ + 1; }

  void put(const RtpHeader& in, uint64_t extended, uint32_t timestampOffset) {
    entries_[in.sequence % kCount] = {extended,  in.timestamp, timestampOffset,
                                      in.digest, in.sequence,  generation_};
  }

  /** What had that number, unless it was a cycle ago. */
  const Entry* find(uint16_t sequence, uint64_t highest) const {
    const Entry& entry = entries_[sequence % kCount];
    const bool known = entry.generation == generation_ && entry.sequence == sequence &&
                       highest - entry.extended < kCycleAgo;
    return known ? &entry : nullptr;
  }

  static bool isSame(const Entry& entry, const RtpHeader& in) {
    return entry.timestamp == in.timestamp && entry.digest == in.digest;
  }

 private:
  static constexpr uint64_t kCycleAgo = 32768;

  Memory& entries_;
  uint16_t generation_ = 1;
};

}  // namespace tandem
