#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

namespace tandem {

// What one thread writes into shared memory while others read it, of this process or of another.
// A reader never waits for the writer: it may see that it has to look again, and never a mixture. A
// writer that is killed at any instruction leaves what it published last.

static_assert(std::atomic<uint64_t>::is_always_lock_free);

/** Plain data that may lie in memory of several processes: no pointers, nothing that owns. */
template <typename T>
inline constexpr bool kIsShareable = std::is_trivially_copyable_v<T> &&
                                     sizeof(T) % sizeof(uint64_t) == 0;

/** Word by word: what races with it is found by the cell's version, not by luck. */
inline void storeWords(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<uint64_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) {
    uint64_t word;
    memcpy(&word, in + i * sizeof word, sizeof word);
    __atomic_store_n(out + i, word, __ATOMIC_RELAXED);
  }
}

inline void loadWords(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint64_t*>(from);
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) {
    const uint64_t word = __atomic_load_n(in + i, __ATOMIC_RELAXED);
    memcpy(out + i * sizeof word, &word, sizeof word);
  }
}

/** Times that a reader looks again before it gives a writer up that never comes to rest. */
inline constexpr int kLooksMax = 100'000;

/** One writer, any number of readers: two copies, of which the version says which holds. */
template <typename T>
class Cell {
  static_assert(kIsShareable<T>);

 public:
  void publish(const T& value) {
    const uint64_t next = version_.load(std::memory_order_relaxed) + 1;
    // Nothing of it is seen before the version that came before.
    std::atomic_thread_fence(std::memory_order_release);
    storeWords(&copies_[next % 2], &value, sizeof value);
    version_.store(next, std::memory_order_release);
  }

  /** Nothing if nobody ever published, or the writer does not come to rest. */
  std::optional<T> read() const {
    T value;
    return load(&value, 0, sizeof value) ? std::optional(value) : std::nullopt;
  }

  /** A member of it. */
  template <typename Part>
  std::optional<Part> read(Part T::*part) const {
    static_assert(kIsShareable<Part>);
    Part value;
    const auto& first = copies_[0].*part;
    const auto at = static_cast<size_t>(reinterpret_cast<const uint8_t*>(&first) -
                                        reinterpret_cast<const uint8_t*>(&copies_[0]));
    return load(&value, at, sizeof value) ? std::optional(value) : std::nullopt;
  }

 private:
  bool load(void* to, size_t at, size_t bytes) const {
    for (int look = 0; look < kLooksMax; ++look) {
      const uint64_t version = version_.load(std::memory_order_acquire);
      if (version == 0) return false;
      loadWords(to, reinterpret_cast<const uint8_t*>(&copies_[version % 2]) + at, bytes);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (version_.load(std::memory_order_relaxed) == version) return true;
    }
    return false;
  }

  std::atomic<uint64_t> version_;
  T copies_[2];
};

/**
 * The same, of which more is kept than is shown: what is staged is what a successor goes on with,
 * what is shown is what readers see, who would else see the middle of a wake-up. Three copies: that
 * which is shown, that which is staged, and a spare one.
 */
template <typename T>
class StagedCell {
  static_assert(kIsShareable<T>);

 public:
  void stage(const T& value) {
    const uint64_t state = state_.load(std::memory_order_relaxed);
    uint64_t spare = 0;
    while (spare == shownOf(state) || spare == stagedOf(state)) ++spare;
    std::atomic_thread_fence(std::memory_order_release);
    storeWords(&copies_[spare], &value, sizeof value);
    state_.store((state & ~kStagedBits) | spare << kStagedShift, std::memory_order_release);
  }

  /** What is staged is shown. */
  void show() {
    const uint64_t state = state_.load(std::memory_order_relaxed);
    const uint64_t staged = stagedOf(state);
    if (shownOf(state) == staged && state >= kShow) return;
    state_.store((state & ~(kStagedBits | kShownBits)) + kShow + (staged << kStagedShift | staged),
                 std::memory_order_release);
  }

  std::optional<T> read() const {
    for (int look = 0; look < kLooksMax; ++look) {
      const uint64_t state = state_.load(std::memory_order_acquire);
      if (state < kShow || shownOf(state) >= kCopies) return std::nullopt;
      T value;
      loadWords(&value, &copies_[shownOf(state)], sizeof value);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (state_.load(std::memory_order_relaxed) / kShow == state / kShow) return value;
    }
    return std::nullopt;
  }

  /** For a successor, when the writer is gone. */
  std::optional<T> staged() const {
    const uint64_t state = state_.load(std::memory_order_acquire);
    if (state < kShow || stagedOf(state) >= kCopies) return std::nullopt;
    T value;
    loadWords(&value, &copies_[stagedOf(state)], sizeof value);
    return value;
  }

 private:
  static constexpr uint64_t kCopies = 3;
  static constexpr uint64_t kShownBits = 3;
  static constexpr int kStagedShift = 2;
  static constexpr uint64_t kStagedBits = 3 << kStagedShift;
  /** Above it the number of times that something was shown. */
  static constexpr uint64_t kShow = 16;

  static uint64_t shownOf(uint64_t state) { return state & kShownBits; }
  static uint64_t stagedOf(uint64_t state) { return (state & kStagedBits) >> kStagedShift; }

  std::atomic<uint64_t> state_;
  T copies_[kCopies];
};

/** A number that is counted in place; one thread writes it. */
class SharedCount {
 public:
  void add(uint64_t more) {
    value_.store(value_.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_;
};

}  // namespace tandem
