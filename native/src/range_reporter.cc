#include "range_reporter.h"

#include <algorithm>

#include "bytes.h"
#include "rtcp_xr.h"

namespace tandem {

namespace {

//  RFC 3611 section 4.1; section 4.2 is the same with BT=2
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |     BT=1      | rsvd. |   T   |         block length          |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                        SSRC of source                         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |          begin_seq            |             end_seq           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |          chunk 1              |             chunk 2           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
constexpr uint8_t kDuplicateRle = 2;
/** Section 4.1.1: a run of up to 2^14 - 1, or fifteen bits as they are. */
constexpr uint64_t kRunMax = 0x3fff;
constexpr uint64_t kVectorBits = 15;
constexpr uint16_t kVector = 0x8000;
constexpr uint16_t kRunOfOnes = 0x4000;

/** Chunks of the trace `bit` over `from`..`to - 1`. */
template <typename Bit, typename Visit>
void forEachChunk(uint64_t from, uint64_t to, Bit&& bit, Visit&& visit) {
  while (from < to) {
    const bool value = bit(from);
    uint64_t run = 1;
    while (from + run < to && run < kRunMax && bit(from + run) == value) ++run;
    if (run >= kVectorBits || from + run == to) {
      visit(static_cast<uint16_t>((value ? kRunOfOnes : 0) | run));
      from += run;
      continue;
    }
    uint16_t vector = kVector;
    for (uint64_t i = 0; i < kVectorBits && from + i < to; ++i) {
      if (bit(from + i)) vector |= static_cast<uint16_t>(1u << (kVectorBits - 1 - i));
    }
    visit(vector);
    from += kVectorBits;
  }
}

template <typename Bit>
size_t blockBytes(uint64_t from, uint64_t to, Bit&& bit) {
  size_t chunks = 0;
  forEachChunk(from, to, bit, [&chunks](uint16_t) { ++chunks; });
  // Whole words: a null chunk fills the last.
  return kRleHeaderBytes + (chunks + 1) / 2 * 4;
}

template <typename Bit>
size_t writeBlock(uint8_t* out, uint8_t type, uint32_t ssrc, uint64_t from, uint64_t to,
                  Bit&& bit) {
  size_t size = kRleHeaderBytes;
  forEachChunk(from, to, bit, [&](uint16_t chunk) {
    write16(out + size, chunk);
    size += 2;
  });
  if (size % 4 != 0) {
    write16(out + size, 0);
    size += 2;
  }
  out[0] = type;
  out[1] = 0;
  write16(out + 2, static_cast<uint16_t>(size / 4 - 1));
  write32(out + 4, ssrc);
  write16(out + 8, static_cast<uint16_t>(from));
  write16(out + 10, static_cast<uint16_t>(to));
  return size;
}

auto lossOf(const PacketLog& log) {
  return [&log](uint64_t i) { return log.received(i); };
}
/** Section 4.2: a one where there was no duplicate, so also where nothing came. */
auto duplicatesOf(const PacketLog& log) {
  return [&log](uint64_t i) { return !log.duplicated(i); };
}

}  // namespace

bool RangeReporter::wouldLose(uint32_t ssrc, uint16_t sequence, int64_t nowNs) const {
  if (!lowest_) return false;
  if (ssrc != ssrc_) return true;
  return log_.place(sequence, nowNs) >= *lowest_ + PacketLog::kSize;
}

void RangeReporter::onRtp(uint32_t ssrc, uint16_t sequence, int64_t nowNs) {
  if (ssrc != ssrc_) {
    log_.clear();
    intervals_ = 0;
    lowest_.reset();
  }
  const bool begins = log_.empty();
  ssrc_ = ssrc;
  const uint64_t extended = log_.place(sequence, nowNs);
  log_.add(extended, nowNs);
  if (begins) reported_ = extended;
  lowest_ = std::min(lowest_.value_or(extended), extended);
}

void RangeReporter::begin(size_t bytesMax) {
  bytesMax_ = bytesMax;
  if (log_.empty()) return;
  std::move_backward(from_.begin(), from_.end() - 1, from_.end());
  from_[0] = std::min(lowest_.value_or(log_.end()), reported_);
  intervals_ = std::min(intervals_ + 1, kIntervals);
  lowest_.reset();
  reported_ = to_ = log_.end();
  for (size_t back = intervals_; back > 0; --back) {
    const uint64_t from = *std::min_element(from_.begin(), from_.begin() + back);
    at_ = std::max(from, log_.first());
    if (bytesOf(at_, to_) <= bytesMax_) break;
  }
}

size_t RangeReporter::bytesOf(uint64_t from, uint64_t to) const {
  return kXrHeaderBytes + blockBytes(from, to, lossOf(log_)) +
         blockBytes(from, to, duplicatesOf(log_));
}

size_t RangeReporter::write(uint8_t* out, uint32_t sender) {
  uint64_t to = to_;
  while (bytesOf(at_, to) > bytesMax_) to = at_ + (to - at_) / 2;
  size_t size = kXrHeaderBytes;
  size += writeBlock(out + size, kLossRle, ssrc_, at_, to, lossOf(log_));
  size += writeBlock(out + size, kDuplicateRle, ssrc_, at_, to, duplicatesOf(log_));
  out[0] = 0x80;
  out[1] = kRtcpExtendedReport;
  write16(out + 2, static_cast<uint16_t>(size / 4 - 1));
  write32(out + 4, sender);
  at_ = to;
  return size;
}

}  // namespace tandem
