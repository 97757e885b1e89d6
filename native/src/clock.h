#pragma once

#include <time.h>

#include <cstdint>

namespace tandem {

inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

inline int64_t toNs(const timespec& ts) { return ts.tv_sec * kNsPerSecond + ts.tv_nsec; }

/** Unix time: the same clock as the kernel's receive time. */
inline int64_t wallNs() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return toNs(ts);
}

/** For deadlines and pacing. */
inline int64_t monotonicNs() {
  timespec ts{};
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return toNs(ts);
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
