#include "fuzz.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "normaliser.h"
#include "range_reporter.h"
#include "ranges.h"
#include "reception.h"
#include "ring.h"
#include "rtcp.h"
#include "rtcp_rewrite.h"

namespace tandem {

namespace {

void require(bool invariant) {
  if (!invariant) std::abort();
}

/** Small, so that reports are split often. */
constexpr size_t kRangeReportBytes = 64;

}  // namespace

bool fuzzRtp(const uint8_t* data, size_t size) {
  // State is kept, so that jumps and restarts come out of one input after another. Bounds are
  // small, to be reached often.
  static Normaliser normaliser;
  static Ring ring({kNsPerSecond, 128 * 1024});
  static Ranges ranges;
  static Reception reception;
  static RangeReporter rangeReporter;
  static const ClockRates rates;
  static int64_t clockNs = 1'000'000'000;

  // Exactly as large as the datagram: a sanitizer sees every read beyond it.
  const std::vector<uint8_t> copy(data, data + size);
  RtpHeader header;
  if (size > kDatagramMax || parseRtp(copy.data(), size, header) != Refusal::kNone) return false;
  clockNs += header.timestamp % (40 * kNsPerMs);
  const Normaliser::Output out = normaliser.process(header, clockNs, rates);
  uint8_t* packet =
      ring.push({clockNs, out.extended, 0, static_cast<uint16_t>(size), header.headerBytes},
                [](const Ring::Entry&, uint64_t) {});
  memcpy(packet, copy.data(), size);
  write16(packet + 2, out.sequence);
  ranges.add(out.extended, clockNs);
  reception.onRtp(header, clockNs, 8000);
  reception.nextReport(clockNs);
  rangeReporter.onRtp(header.ssrc, header.sequence, clockNs);
  rangeReporter.begin(kRangeReportBytes);
  while (rangeReporter.left()) {
    uint8_t report[kRangeReportBytes];
    require(isRtcp(report, rangeReporter.write(report, 1)));
  }
  require(header.headerBytes + header.payloadBytes <= size && ranges.list().size() <= kRangesMax);
  return true;
}

bool fuzzRtcp(const uint8_t* data, size_t size) {
  std::vector<uint8_t> copy(data, data + size);
  if (!isRtcp(copy.data(), size)) return false;
  uint64_t sum = 0;
  forEachReportBlock(copy.data(), size, [&sum](const ReportBlock& block, uint32_t) {
    sum += block.ssrc + block.jitter;
  });
  findSenderReport(copy.data(), size);
  RtcpRewrite rules;
  rules.sender = static_cast<uint32_t>(sum);
  rules.timestampOffset = 7;
  rules.reported = size >= 12 ? read32(copy.data() + 8) : 0;
  rules.reportedAs = 1;
  rules.sequenceOffset = 65530;
  const size_t rewritten = rewriteRtcp(copy.data(), size, rules);
  require(rewritten <= size && (rewritten == 0 || isRtcp(copy.data(), rewritten)));
  return true;
}

}  // namespace tandem
