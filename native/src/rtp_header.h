#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bytes.h"
#include "refusal.h"

namespace tandem {

//  RFC 3550 section 5.1
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                           timestamp                           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |           synchronization source (SSRC) identifier            |
//  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//  |            contributing source (CSRC) identifiers             |
//  |                             ....                              |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
inline constexpr size_t kRtpHeaderBytes = 12;

struct RtpHeader {
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint16_t sequence = 0;
  /** Fixed header, CSRC list and extension. */
  uint16_t headerBytes = 0;
  /** Without padding. */
  uint16_t payloadBytes = 0;
  uint8_t payloadType = 0;
  /** Of the payload's size and first bytes: tells packets under one number apart. */
  uint32_t digest = 0;
};

inline uint32_t digestOf(const uint8_t* payload, size_t size) {
  constexpr size_t kBytes = 32;
  // FNV-1a, a word at a time.
  uint64_t hash = 0xcbf29ce484222325ULL ^ size;
  uint64_t word = 0;
  for (size_t at = 0; at < size && at < kBytes; at += sizeof word) {
    word = 0;
    std::memcpy(&word, payload + at, std::min(sizeof word, size - at));
    hash = (hash ^ word) * 0x100000001b3ULL;
  }
  return static_cast<uint32_t>(hash ^ (hash >> 32));
}

/** Checks everything that points into the packet, so that whoever reads it later need not. */
inline Refusal parseRtp(const uint8_t* data, size_t size, RtpHeader& header) {
  if (size < kRtpHeaderBytes) return Refusal::kMalformedShort;
  if (data[0] >> 6 != 2) return Refusal::kMalformedVersion;
  size_t headerBytes = kRtpHeaderBytes + 4u * (data[0] & 0x0fu);
  if (headerBytes > size) return Refusal::kMalformedCsrc;
  if ((data[0] & 0x10) != 0) {
    if (headerBytes + 4 > size) return Refusal::kMalformedExtension;
    headerBytes += 4 + 4u * read16(data + headerBytes + 2);
    if (headerBytes > size) return Refusal::kMalformedExtension;
  }
  size_t padding = 0;
  if ((data[0] & 0x20) != 0) {
    padding = data[size - 1];
    if (padding == 0 || headerBytes + padding > size) return Refusal::kMalformedPadding;
  }
  header.payloadType = data[1] & 0x7f;
  header.sequence = read16(data + 2);
  header.timestamp = read32(data + 4);
  header.ssrc = read32(data + 8);
  header.headerBytes = static_cast<uint16_t>(headerBytes);
  header.payloadBytes = static_cast<uint16_t>(size - headerBytes - padding);
  header.digest = digestOf(data + headerBytes, header.payloadBytes);
  return Refusal::kNone;
}

/** Fixed header with 15 CSRC. */
inline constexpr size_t kRtpHeadBytesMax = kRtpHeaderBytes + 15 * 4;

/** The fixed header and CSRC list of a packet that was parsed, as of one without an extension.
 * Returns their size, of at most kRtpHeadBytesMax. */
inline size_t copyWithoutExtension(const uint8_t* data, uint8_t* head) {
  const size_t kept = kRtpHeaderBytes + 4u * (data[0] & 0x0fu);
  std::memcpy(head, data, kept);
  head[0] = static_cast<uint8_t>(head[0] & ~0x10);
  return kept;
}

/** RTP and RTCP on one port are told apart by the second byte (RFC 5761 section 4). */
inline bool looksLikeRtcp(const uint8_t* data, size_t size) {
  return size >= 2 && data[0] >> 6 == 2 && data[1] >= 192 && data[1] <= 223;
}

}  // namespace tandem
