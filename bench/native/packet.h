#pragma once

#include <arpa/inet.h>
#include <time.h>

#include <cstdint>
#include <cstring>

/**
 * What a test packet looks like: an RTP header of 12 bytes, then in its payload, in host byte
 * order,
 *
 *     u32 stream   u32 number   u64 sent (Unix ns)   filler made from stream and number
 *
 * so that whoever receives it, however its header was rewritten, knows which packet it is and how
 * long it took.
 */
namespace bench {

inline constexpr size_t kRtpHeaderBytes = 12;
inline constexpr size_t kMarkBytes = 16;
inline constexpr size_t kPayloadBytesMax = 1'400;
inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSecond = 1'000'000'000;

struct Mark {
  uint32_t stream;
  uint32_t number;
  uint64_t sentNs;
};
static_assert(sizeof(Mark) == kMarkBytes);

inline int64_t nowNs(clockid_t clock) {
  timespec ts{};
  clock_gettime(clock, &ts);
  return ts.tv_sec * kNsPerSecond + ts.tv_nsec;
}

inline uint8_t fillerOf(uint32_t stream, uint32_t number) {
  return static_cast<uint8_t>((stream * 2'654'435'761U + number * 40'503U) >> 8);
}

struct RtpFields {
  uint32_t ssrc;
  uint32_t timestamp;
  uint16_t sequence;
  uint8_t payloadType;
  bool marker;
};

inline void writePacket(uint8_t* out, const RtpFields& rtp, const Mark& mark, size_t payloadBytes) {
  out[0] = 0x80;
  out[1] = static_cast<uint8_t>((rtp.marker ? 0x80 : 0) | rtp.payloadType);
  const uint16_t sequence = htons(rtp.sequence);
  const uint32_t timestamp = htonl(rtp.timestamp);
  const uint32_t ssrc = htonl(rtp.ssrc);
  memcpy(out + 2, &sequence, sizeof sequence);
  memcpy(out + 4, &timestamp, sizeof timestamp);
  memcpy(out + 8, &ssrc, sizeof ssrc);
  memcpy(out + kRtpHeaderBytes, &mark, sizeof mark);
  memset(out + kRtpHeaderBytes + kMarkBytes, fillerOf(mark.stream, mark.number),
         payloadBytes - kMarkBytes);
}

enum class Kind { kTest, kRtcp, kForeign, kDamaged };

/** Finds the mark, behind CSRCs and header extension if there are any (RFC 3550 section 5.1). */
inline Kind readPacket(const uint8_t* data, size_t size, Mark& mark) {
  if (size < kRtpHeaderBytes || (data[0] >> 6) != 2) return Kind::kForeign;
  // RFC 5761 section 4: RTCP packet types.
  if (data[1] >= 192 && data[1] <= 223) return Kind::kRtcp;
  size_t offset = kRtpHeaderBytes + 4U * (data[0] & 0x0F);
  if ((data[0] & 0x10) != 0) {
    if (offset + 4 > size) return Kind::kForeign;
    offset += 4 + 4U * ((static_cast<size_t>(data[offset + 2]) << 8) | data[offset + 3]);
  }
  if (offset + kMarkBytes > size) return Kind::kForeign;
  memcpy(&mark, data + offset, sizeof mark);
  const uint8_t filler = fillerOf(mark.stream, mark.number);
  for (size_t i = offset + kMarkBytes; i < size; ++i) {
    if (data[i] != filler) return Kind::kDamaged;
  }
  return Kind::kTest;
}

}  // namespace bench
