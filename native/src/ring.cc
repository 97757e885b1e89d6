#include "ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "error.h"

namespace tandem {

namespace {

/** Pages cost nothing until they are touched. */
void* mapPages(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) failErrno("ring memory");
  return memory;
}

}  // namespace

Ring::Ring(const RingLimits& limits) : keepNs_(limits.keepNs) {
  const size_t chunks = std::max(kChunksMin, (limits.bytes + kChunkBytes - 1) / kChunkBytes);
  const auto seconds = static_cast<size_t>((limits.keepNs + 999'999'999) / 1'000'000'000);
  const size_t entries = std::bit_ceil(std::max<size_t>(256, seconds * kRingPacketsPerSecond));
  memoryBytes_ = chunks * kChunkBytes;
  entryMask_ = entries - 1;
  memory_ = static_cast<uint8_t*>(mapPages(memoryBytes_));
  try {
    entries_ = static_cast<Entry*>(mapPages(entries * sizeof(Entry)));
    packetsIn_.resize(chunks);
    freeChunks_.reserve(chunks);
  } catch (...) {
    munmap(memory_, memoryBytes_);
    if (entries_ != nullptr) munmap(entries_, entries * sizeof(Entry));
    throw;
  }
  for (size_t i = chunks; i > 0; --i) freeChunks_.push_back(static_cast<uint32_t>(i - 1));
}

Ring::~Ring() {
  munmap(memory_, memoryBytes_);
  munmap(entries_, (entryMask_ + 1) * sizeof(Entry));
}

void Ring::release(size_t chunk) {
  if (--packetsIn_[chunk] == 0 && chunk != chunk_)
    freeChunks_.push_back(static_cast<uint32_t>(chunk));
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
