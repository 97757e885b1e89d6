#include "ring.h"

#include <algorithm>
#include <bit>

#include "error.h"

namespace tandem {

size_t Ring::chunksOf(const RingLimits& limits) {
  return std::max(kChunksMin, (limits.bytes + kChunkBytes - 1) / kChunkBytes);
}

size_t Ring::entriesOf(const RingLimits& limits) {
  const auto seconds = static_cast<size_t>((limits.keepNs + 999'999'999) / 1'000'000'000);
  return std::bit_ceil(std::max<size_t>(256, seconds * kRingPacketsPerSecond));
}

size_t Ring::bytesOf(const RingLimits& limits) {
  return chunksOf(limits) * kChunkBytes + entriesOf(limits) * sizeof(Entry);
}

RingEntries::RingEntries(const RingLimits& limits, const uint8_t* memory)
    : entries_(
          reinterpret_cast<const RingEntry*>(memory + Ring::chunksOf(limits) * Ring::kChunkBytes)),
      mask_(Ring::entriesOf(limits) - 1) {}

Ring::Ring(const RingLimits& limits, uint8_t* memory,
           std::function<bool(const uint8_t*, size_t)> mayUse)
    : keepNs_(limits.keepNs),
      memory_(memory),
      entries_(reinterpret_cast<Entry*>(memory + chunksOf(limits) * kChunkBytes)),
      entryMask_(entriesOf(limits) - 1),
      packetsIn_(chunksOf(limits)),
      mayUse_(std::move(mayUse)) {
  freeChunks_.reserve(packetsIn_.size());
  for (size_t i = packetsIn_.size(); i > 0; --i)
    freeChunks_.push_back(static_cast<uint32_t>(i - 1));
}

void Ring::restore(uint64_t first, uint64_t head) {
  if (first > head || head - first > entryMask_ + 1) fail("a ring contradicts itself");
  const size_t bytes = packetsIn_.size() * kChunkBytes;
  for (uint64_t index = first; index < head; ++index) {
    const Entry& entry = entries_[index & entryMask_];
    const bool fits = entry.size <= kDatagramMax && entry.headerBytes <= entry.size &&
                      entry.offset % kChunkBytes + entry.size <= kChunkBytes &&
                      entry.offset < bytes;
    if (!fits) fail("a packet in a ring contradicts itself");
    chunk_ = entry.offset / kChunkBytes;
    used_ = entry.offset % kChunkBytes + ((entry.size + 7u) & ~size_t{7});
    ++packetsIn_[chunk_];
    usable_ = std::max(usable_, chunk_ + 1);
  }
  first_ = first;
  head_ = head;
  std::erase_if(freeChunks_, [this](uint32_t chunk) { return packetsIn_[chunk] > 0; });
}

void Ring::release(size_t chunk) {
  if (--packetsIn_[chunk] == 0 && chunk != chunk_)
    freeChunks_.push_back(static_cast<uint32_t>(chunk));
}

// The lowest are taken first.
bool Ring::hasChunk() {
  if (freeChunks_.empty()) return false;
  const size_t next = freeChunks_.back();
  if (next < usable_) return true;
  if (!mayUse_(memory_ + usable_ * kChunkBytes, (next + 1 - usable_) * kChunkBytes)) return false;
  usable_ = next + 1;
  return true;
}

void Ring::nextChunk() {
  // When everything was evicted, the current chunk is empty and still ours.
  if (chunk_ != kNoChunk && packetsIn_[chunk_] == 0) {
    used_ = 0;
    return;
  }
  chunk_ = freeChunks_.back();
  freeChunks_.pop_back();
  used_ = 0;
}

}  // namespace tandem
