#include "rtcp_rewrite.h"

#include <cstring>

#include "rtcp.h"
#include "sequence.h"

namespace tandem {

namespace {

/** Keeps the blocks that the other side understands; returns the packet's new size. */
size_t rewriteReport(uint8_t* out, const RtcpPacket& packet, const RtcpRewrite& rules) {
  const size_t blocksAt = reportBlocksAt(packet);
  const uint8_t* block = packet.data + blocksAt;
  const uint8_t blocks = packet.count();
  const uint8_t type = packet.type();
  memmove(out, packet.data, blocksAt);
  write32(out + 4, rules.sender);
  if (type == kRtcpSenderReport) write32(out + 16, read32(out + 16) + rules.timestampOffset);
  size_t size = blocksAt;
  uint8_t kept = 0;
  for (uint8_t i = 0; i < blocks; ++i, block += kReportBlockBytes) {
    if (!rules.reportedAs || read32(block) != rules.reported) continue;
    memmove(out + size, block, kReportBlockBytes);
    write32(out + size, *rules.reportedAs);
    const uint32_t highest = read32(out + size + 8);
    const auto low = static_cast<uint16_t>(highest + rules.sequenceOffset);
    write32(out + size + 8,
            static_cast<uint32_t>(extendNear(highest + kFirstCycle, low) - kFirstCycle));
    size += kReportBlockBytes;
    ++kept;
  }
  // Profile extensions and padding end here.
  out[0] = static_cast<uint8_t>(0x80 | kept);
  write16(out + 2, static_cast<uint16_t>(size / 4 - 1));
  return size;
}

}  // namespace

size_t rewriteRtcp(uint8_t* data, size_t size, const RtcpRewrite& rules) {
  RtcpReader reader(data, size);
  // What is written never overtakes what is read: every packet stays as long or becomes shorter.
  uint8_t* out = data;
  while (const auto packet = reader.next()) {
    const size_t blocksAt = reportBlocksAt(*packet);
    if (blocksAt != 0) {
      if (blocksAt + packet->count() * kReportBlockBytes > packet->size) break;
      out += rewriteReport(out, *packet, rules);
    } else if (packet->type() == kRtcpSourceDescription && packet->count() == 1 &&
               packet->size >= 12 && (packet->data[0] & 0x20) == 0) {
      memmove(out, packet->data, packet->size);
      write32(out + 4, rules.sender);
      out += packet->size;
    }
  }
  return static_cast<size_t>(out - data);
}

}  // namespace tandem
