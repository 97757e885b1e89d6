#include "rtcp.h"

#include <algorithm>
#include <cstring>

namespace tandem {

namespace {

/** RFC 3550 section 6.5: item length is one byte; ours is bounded further to fit the build buffer.
 */
constexpr size_t kCnameMax = 255;

void writeHeader(uint8_t* out, uint8_t count, uint8_t type, size_t size) {
  out[0] = static_cast<uint8_t>(0x80 | count);
  out[1] = type;
  write16(out + 2, static_cast<uint16_t>(size / 4 - 1));
}

}  // namespace

bool isRtcp(uint8_t* data, size_t size) {
  if (size < 4) return false;
  RtcpReader reader(data, size);
  while (const auto packet = reader.next()) {
    if (packet->type() < 192 || packet->type() > 223) return false;
    const size_t blocks = reportBlocksAt(*packet);
    if (blocks != 0 && blocks + packet->count() * kReportBlockBytes > packet->size) return false;
    if (packet->type() == kRtcpBye && 4 + 4u * packet->count() > packet->size) return false;
    // RFC 3550 section 6.4.1: padding is on the last packet only, and counts itself.
    if ((packet->data[0] & 0x20) != 0) {
      const uint8_t padding = packet->data[packet->size - 1];
      if (!reader.atEnd() || padding == 0 || padding % 4 != 0 || padding > packet->size - 4)
        return false;
    }
  }
  return reader.atEnd();
}

size_t writeSenderReport(uint8_t* out, const SenderInfo& info) {
  constexpr size_t kSize = 28;
  writeHeader(out, 0, kRtcpSenderReport, kSize);
  write32(out + 4, info.ssrc);
  write32(out + 8, static_cast<uint32_t>(info.ntp >> 32));
  write32(out + 12, static_cast<uint32_t>(info.ntp));
  write32(out + 16, info.timestamp);
  write32(out + 20, info.packets);
  write32(out + 24, info.octets);
  return kSize;
}

size_t writeReceiverReport(uint8_t* out, uint32_t sender, const ReportBlock* block) {
  const size_t size = 8 + (block != nullptr ? kReportBlockBytes : 0);
  writeHeader(out, block != nullptr ? 1 : 0, kRtcpReceiverReport, size);
  write32(out + 4, sender);
  if (block == nullptr) return size;
  write32(out + 8, block->ssrc);
  const int32_t lost = std::clamp(block->cumulativeLost, -0x800000, 0x7fffff);
  write32(out + 12, static_cast<uint32_t>(block->fractionLost) << 24 |
                        (static_cast<uint32_t>(lost) & 0xffffffu));
  write32(out + 16, block->highestSequence);
  write32(out + 20, block->jitter);
  write32(out + 24, block->lastSenderReport);
  write32(out + 28, block->delaySinceLast);
  return size;
}

size_t writeSourceDescription(uint8_t* out, uint32_t ssrc, const std::string& cname) {
  const size_t length = std::min(cname.size(), kCnameMax);
  // Header, SSRC, item type and length, text, then at least one null, to a multiple of four.
  const size_t size = (4 + 4 + 2 + length + 1 + 3) & ~size_t{3};
  memset(out, 0, size);
  writeHeader(out, 1, kRtcpSourceDescription, size);
  write32(out + 4, ssrc);
  out[8] = 1;
  out[9] = static_cast<uint8_t>(length);
  memcpy(out + 10, cname.data(), length);
  return size;
}

size_t writeBye(uint8_t* out, uint32_t ssrc) {
  writeHeader(out, 1, kRtcpBye, 8);
  write32(out + 4, ssrc);
  return 8;
}

std::optional<SenderReportSeen> findSenderReport(uint8_t* data, size_t size) {
  RtcpReader reader(data, size);
  while (const auto packet = reader.next()) {
    if (packet->type() != kRtcpSenderReport || packet->size < 28) continue;
    return SenderReportSeen{read32(packet->data + 4), read32(packet->data + 10)};
  }
  return std::nullopt;
}

std::optional<uint32_t> findBye(uint8_t* data, size_t size) {
  RtcpReader reader(data, size);
  while (const auto packet = reader.next()) {
    if (packet->type() == kRtcpBye && packet->count() > 0 && packet->size >= 8)
      return read32(packet->data + 4);
  }
  return std::nullopt;
}

}  // namespace tandem
