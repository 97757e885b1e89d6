#include "fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <source_location>
#include <span>
#include <vector>

#include "edge_command.h"
#include "frame_splitter.h"
#include "normaliser.h"
#include "range_reporter.h"
#include "ranges.h"
#include "reception.h"
#include "report_judge.h"
#include "ring.h"
#include "rtcp.h"
#include "rtcp_rewrite.h"

namespace tandem {

namespace {

void require(bool invariant, std::source_location where = std::source_location::current()) {
  if (invariant) return;
  fprintf(stderr, "%s:%u: it does not hold\n", where.file_name(), where.line());
  std::abort();
}

/** Small, so that reports are split often. */
constexpr size_t kRangeReportBytes = 64;

/** Whatever is said, nothing is confirmed or lost that was not sent. */
void fuzzJudge(std::vector<uint8_t>& compound) {
  struct Recorder {
    SentLog sent;
    ReportJudge judge{3, sent};
    uint64_t number = kFirstCycle;
    int compounds = 0;
  };
  static auto recorder = std::make_unique<Recorder>();
  // What is held against each other grows with what was sent.
  if (++recorder->compounds > 300) recorder = std::make_unique<Recorder>();
  SentLog& sent = recorder->sent;
  ReportJudge& judge = recorder->judge;
  uint64_t& number = recorder->number;
  for (int i = 0; i < 20; ++i) {
    number += 1 + number % 7 / 6 + (number % 9001 == 0 ? 30'000 : 0);
    sent.add(number, 0);
    if (number % 11 == 0) sent.add(number - number % 5, 0);
  }
  judge.onRanges(compound.data(), compound.size());
  forEachReportBlock(compound.data(), compound.size(),
                     [&sent, &judge](const ReportBlock& block, uint32_t reporter) {
                       const auto report = judge.onReport(block, reporter);
                       require(!report || sent.contains(report->highest));
                       require(!report || (report->fractionLost >= 0 && report->fractionLost <= 1));
                     });
  const SpanList all = sent.within({0, UINT64_MAX - 1});
  const SpanList& confirmed = judge.confirmed().list();
  const SpanList& denied = judge.denied().list();
  require(difference(confirmed, all).empty() && difference(denied, all).empty());
  require(intersection(confirmed, denied).empty());
  require(judge.lost().atLeast <= judge.lost().atMost && judge.lost().atMost <= sizeOf(all));
}

/** What control may say, whatever it says. Only that it is read within its bounds counts. */
bool isCommand(std::span<const uint8_t> frame) {
  WireReader reader(frame.data(), frame.size());
  const auto name = static_cast<WireCommand>(reader.u8());
  reader.u32();
  try {
    readCommand(name, reader);
  } catch (const EdgeError&) {
    // Read as far as that, and refused.
  }
  return true;
}

}  // namespace

bool fuzzChannel(const uint8_t* data, size_t size) {
  FrameSplitter splitter;
  bool any = false;
  try {
    // In pieces that cut frames apart.
    for (size_t at = 0; at < size;) {
      const size_t piece = std::min<size_t>(size - at, 1 + at % 61);
      const std::vector<uint8_t> copy(data + at, data + at + piece);
      splitter.push(copy);
      while (const auto frame = splitter.next(kCommandBytesMax)) {
        const std::vector<uint8_t> exact(frame->begin(), frame->end());
        any = isCommand(exact) || any;
      }
      at += piece;
    }
  } catch (const WireError&) {
    return false;
  }
  return any;
}

bool fuzzRtp(const uint8_t* data, size_t size) {
  // State is kept, so that jumps and restarts come out of one input after another. Bounds are
  // small, to be reached often.
  static RecentPackets::Memory recent;
  static Normaliser normaliser(recent);
  static const RingLimits limits{kNsPerSecond, 128 * 1024};
  static std::vector<uint64_t> ringMemory(Ring::bytesOf(limits) / sizeof(uint64_t) + 1);
  static Ring ring(limits, reinterpret_cast<uint8_t*>(ringMemory.data()),
                   [](const uint8_t*, size_t) { return true; });
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
  fuzzJudge(copy);
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
