#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tandem {

/** Why a packet was not taken. Order matches `kRefusalNames`. */
enum class Refusal : uint8_t {
  kNone,
  kMalformedShort,
  kMalformedVersion,
  kMalformedCsrc,
  kMalformedExtension,
  kMalformedPadding,
  kMalformedRtcp,
  kOversize,
  kStranger,
  kSecondSource,
  kNotReady,
  kCount,
};

inline constexpr std::array<const char*, static_cast<size_t>(Refusal::kCount)> kRefusalNames = {
    "",
    "malformed_short",
    "malformed_version",
    "malformed_csrc",
    "malformed_extension",
    "malformed_padding",
    "malformed_rtcp",
    "oversize",
    "stranger",
    "second_source",
    "not_ready",
};

struct RefusalCounts {
  std::array<uint64_t, static_cast<size_t>(Refusal::kCount)> byReason{};

  void add(Refusal reason) { ++byReason[static_cast<size_t>(reason)]; }
  void add(const RefusalCounts& other) {
    for (size_t i = 0; i < byReason.size(); ++i) byReason[i] += other.byReason[i];
  }
};

}  // namespace tandem
