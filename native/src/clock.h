#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>

namespace tandem {

inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t toNs(const timespec& ts) { return ts.tv_sec * kNsPerSecond + ts.tv_nsec; }

/** Of a time that was told in milliseconds. A double holds such a time to a quarter of a
 * microsecond: what was told before comes back as no later than it was. */
inline int64_t toTimeNs(double ms) {
  constexpr int64_t kPrecisionNs = 250;
  return std::max<int64_t>(0, std::llround(ms * static_cast<double>(kNsPerMs)) - kPrecisionNs);
}

/** For deadlines and pacing. */
inline int64_t monotonicNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return toNs(ts);
}

/** How far a test has set the machine's clock, as this process sees it. */
inline std::atomic<int64_t> wallStepNs{0};

/** The machine's clock, which anybody may set: what files and people are told, never a duration. */
inline int64_t wallNs() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return toNs(ts) + wallStepNs.load(std::memory_order_relaxed);
}

inline std::atomic<int64_t> clockOffsetNs{wallNs() - monotonicNs()};

/** The edge's clock: Unix time as it was when the process started, monotonic from there. All times
 * inside are of this clock: arrivals, the ring, latches, what JavaScript is told (whose
 * `performance.timeOrigin + performance.now()` it equals), and the NTP times of sender reports,
 * which must not jump (RFC 3550 section 6.4.1). */
inline int64_t nowNs() { return monotonicNs() + clockOffsetNs.load(std::memory_order_relaxed); }

/** How far the process's clock is ahead of the monotonic one. The first edge of a process sets it,
 * before there are threads. */
inline void startClock(int64_t offsetNs) {
  static const bool started = (clockOffsetNs.store(offsetNs), true);
  static_cast<void>(started);
}

/** NTP timestamp (RFC 3550 section 4): seconds since 1900 in the upper half, fraction in the lower.
 */
inline uint64_t toNtp(int64_t unixNs) {
  const uint64_t seconds = static_cast<uint64_t>(unixNs / kNsPerSecond) + 2'208'988'800ULL;
  const uint64_t fraction = (static_cast<uint64_t>(unixNs % kNsPerSecond) << 32) / kNsPerSecond;
  return (seconds << 32) | fraction;
}

/** Middle 32 bits of an NTP timestamp, as LSR and DLSR use it: units of 1/65,536 s. */
inline uint32_t toCompactNtp(int64_t unixNs) { return static_cast<uint32_t>(toNtp(unixNs) >> 16); }

}  // namespace tandem
