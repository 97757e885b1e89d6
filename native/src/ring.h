#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "limits.h"

namespace tandem {

struct RingLimits {
  int64_t keepNs;
  size_t bytes;
};

/**
 * The last seconds of one stream: whole packets, in the order of arrival, each under an index that
 * only grows. Packets lie in chunks that are reused last in, first out, so that memory touched is
 * what the live packets need and no more.
 */
class Ring {
 public:
  struct Entry {
    int64_t arrivalNs;
    uint64_t extended;
    uint32_t offset;
    uint16_t size;
    uint16_t headerBytes;
  };

  explicit Ring(const RingLimits& limits);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /** Index of the oldest packet, and of the next to come. */
  uint64_t first() const { return first_; }
  uint64_t head() const { return head_; }
  bool empty() const { return first_ == head_; }
  const Entry& at(uint64_t index) const { return entries_[index & entryMask_]; }
  const uint8_t* data(const Entry& entry) const { return memory_ + entry.offset; }

  /** Index of the oldest packet that arrived then or later; `head` when none did. */
  uint64_t since(int64_t atNs) const {
    uint64_t low = first_;
    uint64_t high = head_;
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

  /** Room for one packet; `onEvict(entry, index)` is told what leaves for it. `entry.size` is at
   * most kDatagramMax. */
  template <typename OnEvict>
  uint8_t* push(Entry entry, OnEvict&& onEvict) {
    while (first_ != head_ &&
           (entry.arrivalNs - at(first_).arrivalNs > keepNs_ || head_ - first_ > entryMask_)) {
      evict(onEvict);
    }
    if (chunk_ == kNoChunk || used_ + entry.size > kChunkBytes) {
      while (freeChunks_.empty() && first_ != head_) evict(onEvict);
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
  static constexpr size_t kChunkBytes = kDatagramMax;
  static constexpr size_t kChunksMin = 4;
  static constexpr size_t kNoChunk = SIZE_MAX;

  template <typename OnEvict>
  void evict(OnEvict& onEvict) {
    const Entry& entry = at(first_);
    onEvict(entry, first_);
    release(entry.offset / kChunkBytes);
    ++first_;
  }

  void release(size_t chunk);
  void nextChunk();

  int64_t keepNs_;
  uint8_t* memory_ = nullptr;
  size_t memoryBytes_ = 0;
  Entry* entries_ = nullptr;
  uint64_t entryMask_ = 0;
  uint64_t first_ = 0;
  uint64_t head_ = 0;
  size_t chunk_ = kNoChunk;
  size_t used_ = 0;
  std::vector<uint32_t> packetsIn_;
  std::vector<uint32_t> freeChunks_;
};

}  // namespace tandem
