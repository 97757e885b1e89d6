#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "limits.h"

namespace tandem {

struct RingLimits {
  int64_t keepNs;
  size_t bytes;
};

struct RingEntry {
  int64_t arrivalNs;
  uint64_t extended;
  uint32_t offset;
  uint16_t size;
  uint16_t headerBytes;
};

/** What a ring has of its packets, as a reader of its memory finds it. */
class RingEntries {
 public:
  RingEntries(const RingLimits& limits, const uint8_t* memory);

  size_t count() const { return mask_ + 1; }
  const RingEntry& at(uint64_t index) const { return entries_[index & mask_]; }
  /** Index of the oldest of `first` to `head - 1` that arrived then or later; `head` when none did.
   */
  uint64_t since(uint64_t first, uint64_t head, int64_t atNs) const {
    uint64_t low = first;
    uint64_t high = head;
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      if (at(middle).arrivalNs < atNs) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

 private:
  const RingEntry* entries_;
  uint64_t mask_;
};

/**
 * The last seconds of one stream: whole packets, in the order of arrival, each under an index that
 * only grows. Packets lie in chunks that are reused last in, first out, so that memory touched is
 * what the live packets need and no more. All of it is in memory that is lent to it, without
 * pointers.
 */
class Ring {
 public:
  using Entry = RingEntry;

  /** What it needs, of memory that costs nothing until it is touched. */
  static size_t bytesOf(const RingLimits& limits);
  /** Of them, where what is not packets begins; and what it uses of packets at once. */
  static size_t entriesAt(const RingLimits& limits) { return chunksOf(limits) * kChunkBytes; }
  static constexpr size_t firstBytes() { return kChunksFirst * kChunkBytes; }
  /**
   * @param memory of `bytesOf(limits)`, at a multiple of eight; stays where it is. There is room
   * for `firstBytes` and what begins at `entriesAt`
   * @param mayUse asked for each further part of it, once or more: where there is no room, older
   * packets go instead
   */
  Ring(const RingLimits& limits, uint8_t* memory,
       std::function<bool(const uint8_t*, size_t)> mayUse);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /** Goes on with what another ring left in that memory. Throws where that cannot be. */
  void restore(uint64_t first, uint64_t head);

  /** Index of the oldest packet, and of the next to come. */
  uint64_t first() const { return first_; }
  uint64_t head() const { return head_; }
  bool empty() const { return first_ == head_; }
  const Entry& at(uint64_t index) const { return entries_[index & entryMask_]; }
  const uint8_t* data(const Entry& entry) const { return memory_ + entry.offset; }

  /** Room for one packet; `onEvict(entry, index)` is told what leaves for it. `entry.size` is at
   * most kDatagramMax. */
  template <typename OnEvict>
  uint8_t* push(Entry entry, OnEvict&& onEvict) {
    while (first_ != head_ &&
           (entry.arrivalNs - at(first_).arrivalNs > keepNs_ || head_ - first_ > entryMask_)) {
      evict(onEvict);
    }
    if (chunk_ == kNoChunk || used_ + entry.size > kChunkBytes) {
      while (!hasChunk() && first_ != head_) evict(onEvict);
      nextChunk();
    }
    entry.offset = static_cast<uint32_t>(chunk_ * kChunkBytes + used_);
    used_ += (entry.size + 7u) & ~size_t{7};
    ++packetsIn_[chunk_];
    entries_[head_ & entryMask_] = entry;
    ++head_;
    return memory_ + entry.offset;
  }

 private:
  friend RingEntries;
  static constexpr size_t kChunkBytes = kDatagramMax;
  static constexpr size_t kChunksMin = 4;
  /** One is filled while what is in the other can still be sent. */
  static constexpr size_t kChunksFirst = 2;
  static constexpr size_t kNoChunk = SIZE_MAX;

  static size_t chunksOf(const RingLimits& limits);
  static size_t entriesOf(const RingLimits& limits);

  template <typename OnEvict>
  void evict(OnEvict& onEvict) {
    const Entry& entry = at(first_);
    onEvict(entry, first_);
    release(entry.offset / kChunkBytes);
    ++first_;
  }

  void release(size_t chunk);
  bool hasChunk();
  void nextChunk();

  int64_t keepNs_;
  uint8_t* memory_;
  Entry* entries_;
  uint64_t entryMask_;
  uint64_t first_ = 0;
  uint64_t head_ = 0;
  size_t chunk_ = kNoChunk;
  size_t used_ = 0;
  std::vector<uint32_t> packetsIn_;
  std::vector<uint32_t> freeChunks_;
  std::function<bool(const uint8_t*, size_t)> mayUse_;
  /** There is room for so many, from the first on. */
  size_t usable_ = kChunksFirst;
};

}  // namespace tandem
