#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "clock.h"
#include "limits.h"

namespace tandem {

/** Every thread that shows its beats wakes up this often, whatever it waits for. */
inline constexpr int kBeatMs = 100;

/** When one thread went on last, in memory that whoever looks shares: monotonic ns. 0: it has not
 * begun, or takes its time. A cache line of its own: others' beats do not slow it down. */
class alignas(64) Beat {
 public:
  void show(int64_t monotonicNow) { atNs_.store(monotonicNow, std::memory_order_relaxed); }
  /** Until the next beat, nothing is made of its silence. */
  void rest() { show(0); }
  int64_t atNs() const { return atNs_.load(std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<int64_t>::is_always_lock_free);
  std::atomic<int64_t> atNs_{0};
};

/** Of the threads of one worker. */
struct WorkerBeats {
  /** Rests at the start and at the end of the worker, which may take longer. */
  Beat channel;
  std::array<Beat, kThreadsMax> shards;

  void clear() {
    channel.rest();
    for (Beat& shard : shards) shard.rest();
  }
};

inline Beat* beatOf(WorkerBeats* beats, size_t shard) {
  return beats == nullptr ? nullptr : &beats->shards[shard];
}

}  // namespace tandem
