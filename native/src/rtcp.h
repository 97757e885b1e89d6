#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "bytes.h"

namespace tandem {

// RFC 3550 section 6.
inline constexpr uint8_t kRtcpSenderReport = 200;
inline constexpr uint8_t kRtcpReceiverReport = 201;
inline constexpr uint8_t kRtcpSourceDescription = 202;
inline constexpr uint8_t kRtcpBye = 203;
/** RFC 3611 section 2. */
inline constexpr uint8_t kRtcpExtendedReport = 207;

inline constexpr size_t kReportBlockBytes = 24;
/** Room for the largest compound that we build: SR or RR with one block, SDES with a CNAME, BYE. */
inline constexpr size_t kRtcpBuildBytes = 512;

/** One packet of a compound, checked to lie within it. */
struct RtcpPacket {
  uint8_t* data;
  size_t size;
  uint8_t type() const { return data[1]; }
  uint8_t count() const { return data[0] & 0x1f; }
};

/** Walks a compound packet; stops at the first thing that does not fit. */
class RtcpReader {
 public:
  RtcpReader(uint8_t* data, size_t size) : data_(data), left_(size) {}

  std::optional<RtcpPacket> next() {
    if (left_ < 4 || data_[0] >> 6 != 2) return std::nullopt;
    const size_t size = 4 + 4u * read16(data_ + 2);
    if (size > left_) return std::nullopt;
    const RtcpPacket packet{data_, size};
    data_ += size;
    left_ -= size;
    return packet;
  }
  bool atEnd() const { return left_ == 0; }

 private:
  uint8_t* data_;
  size_t left_;
};

/** Whole packets of known types from the first byte to the last, each large enough for what its
 * count says. */
bool isRtcp(uint8_t* data, size_t size);

struct ReportBlock {
  uint32_t ssrc;
  uint8_t fractionLost;
  int32_t cumulativeLost;
  uint32_t highestSequence;
  uint32_t jitter;
  uint32_t lastSenderReport;
  uint32_t delaySinceLast;
};

/** Where the report blocks of an SR or RR begin; zero for other packets. */
inline size_t reportBlocksAt(const RtcpPacket& packet) {
  if (packet.type() == kRtcpSenderReport) return 28;
  if (packet.type() == kRtcpReceiverReport) return 8;
  return 0;
}

/** Calls `visit(ReportBlock, reporter)` for every block of every SR and RR; `reporter` is the SSRC
 * of whoever reports. */
template <typename Visit>
void forEachReportBlock(uint8_t* data, size_t size, Visit&& visit) {
  RtcpReader reader(data, size);
  while (const auto packet = reader.next()) {
    size_t at = reportBlocksAt(*packet);
    if (at == 0) continue;
    for (uint8_t i = 0; i < packet->count() && at + kReportBlockBytes <= packet->size;
         ++i, at += kReportBlockBytes) {
      const uint8_t* p = packet->data + at;
      const int32_t lost = static_cast<int32_t>(read32(p + 4) << 8) >> 8;
      visit(ReportBlock{read32(p), p[4], lost, read32(p + 8), read32(p + 12), read32(p + 16),
                        read32(p + 20)},
            read32(packet->data + 4));
    }
  }
}

struct SenderInfo {
  uint32_t ssrc;
  uint64_t ntp;
  uint32_t timestamp;
  uint32_t packets;
  uint32_t octets;
};

// Each appends to `out` and returns the bytes written.
size_t writeSenderReport(uint8_t* out, const SenderInfo& info);
size_t writeReceiverReport(uint8_t* out, uint32_t sender, const ReportBlock* block);
size_t writeSourceDescription(uint8_t* out, uint32_t ssrc, const std::string& cname);
size_t writeBye(uint8_t* out, uint32_t ssrc);

/** The first SR in a compound: its sender's SSRC and middle NTP bits, for LSR. */
struct SenderReportSeen {
  uint32_t ssrc;
  uint32_t compactNtp;
};
std::optional<SenderReportSeen> findSenderReport(uint8_t* data, size_t size);

/** The first source that says BYE in a compound. */
std::optional<uint32_t> findBye(uint8_t* data, size_t size);

}  // namespace tandem
