#include "report_judge.h"

#include <algorithm>

#include "sequence.h"

namespace tandem {

namespace {

/** RFC 3550 appendix A.1, MAX_DROPOUT: after a gap of so many a receiver counts anew, and not from
 * the first packet. */
constexpr uint64_t kDropoutMin = 3000;
/** Section 6.4.1: the cumulative number of packets lost does not go beyond 24 bits. */
constexpr int32_t kLostMax = 0x7fffff;
constexpr int32_t kLostMin = -0x800000;

}  // namespace

void ReportJudge::onRanges(uint8_t* data, size_t size) {
  if (sent_.empty()) return;
  forEachLossRle(data, size, [this](const LossRle& block) {
    if (block.ssrc == ssrc_) onLossRle(block);
  });
}

void ReportJudge::onLossRle(const LossRle& block) {
  const uint64_t first = extendNear(sent_.last(), block.first);
  SpanList received;
  SpanList missing;
  forEachRun(block, [&](uint32_t offset, uint32_t count, bool came) {
    if (count > 0) append(came ? received : missing, {first + offset, first + offset + count - 1});
  });
  const SpanList sent = sent_.within({first, first + block.numbers()});
  if (sent.empty() || (received.empty() && missing.empty())) return;
  reportsRanges_ = true;
  received = intersection(received, sent);
  missing = intersection(missing, sent);
  // What came late is not missing any more. What was there once stays there, whatever is said
  // later.
  confirmed_.unite(received);
  denied_.subtract(received);
  if (missing.empty()) return;
  const SpanList there = confirmed_.within({missing.front().first, missing.back().last});
  denied_.unite(difference(missing, there));
}

std::optional<ReportJudge::Report> ReportJudge::onReport(const ReportBlock& block,
                                                         uint32_t reporter) {
  if (block.ssrc != ssrc_ || sent_.empty()) return std::nullopt;
  // The recorder counts cycles from zero, we from one and from before it joined: the low bits say
  // which packet it was.
  const uint64_t highest = extendNear(sent_.last(), static_cast<uint16_t>(block.highestSequence));
  if (!sent_.contains(highest) || highest < from_.value_or(0)) return std::nullopt;
  const Point point{highest, block.highestSequence, block.cumulativeLost};
  const uint64_t sentNow = sent_.highest();
  // While nothing is sent, nothing can come.
  const bool isDeaf =
      last_ && point.highest == last_->highest && point.highest < sentThen_ && sentThen_ < sentNow;
  double fraction = 0;
  if (!last_) {
    fraction = begin(point);
  } else if (isOld(point)) {
    return std::nullopt;
  } else if (beganAnew(point, reporter)) {
    fraction = restart(point);
  } else {
    fraction = goOn(point);
  }
  last_ = point;
  reporter_ = reporter;
  sentThen_ = sentNow;
  return Report{highest, fraction, isDeaf};
}

bool ReportJudge::isOld(const Point& point) const {
  if (point.highest != last_->highest) return point.highest < last_->highest;
  return point.counted == last_->counted && point.lost > last_->lost;
}

bool ReportJudge::beganAnew(const Point& point, uint32_t reporter) const {
  const uint64_t numbers = point.highest - last_->highest;
  return reporter != reporter_ || numbers >= kDropoutMin ||
         point.counted - last_->counted != numbers || point.lost == kLostMax ||
         point.lost == kLostMin;
}

// Which packet a receiver began to count with is not known: that nothing is missing behind it
// proves nothing about what came before.
double ReportJudge::begin(const Point& point) {
  const uint64_t first = from_.value_or(sent_.first());
  base_ = point;
  const auto copies = sent_.between(first - 1, point.highest);
  const uint64_t numbers = sent_.countWithin({first, point.highest});
  closed_.atMost += numbers - 1;
  if (!copies || from_) return 0;
  const int64_t received = static_cast<int64_t>(point.highest - first + 1) - point.lost;
  const auto judged = judge(*copies, std::min(received, static_cast<int64_t>(copies->atMost)));
  if (!judged) return 0;
  closed_.atLeast += std::min(judged->lost.atLeast, numbers - 1);
  return judged->fraction();
}

double ReportJudge::restart(const Point& point) {
  close(*last_);
  closed_.atMost += sent_.countWithin({last_->highest + 1, point.highest});
  base_ = point;
  wasQuiet_ = false;
  sent_.forgetBefore(base_.highest);
  return 0;
}

double ReportJudge::goOn(const Point& point) {
  const auto all = between(base_, point);
  if (!all) return restart(point);
  const auto interval = between(*last_, point);
  if (all->lost.atMost == 0) {
    confirm(base_, point);
    base_ = point;
    wasQuiet_ = false;
  } else if (interval && interval->lost.atMost == 0 && wasQuiet_) {
    // Loss before an interval in which as many came as were sent may be what was late and came
    // within, in the place of something that did not; not if the interval after it is the same.
    close(*last_);
    confirm(*last_, point);
    base_ = point;
    wasQuiet_ = false;
  } else {
    wasQuiet_ = last_->highest != base_.highest && interval && interval->lost.atMost == 0;
  }
  sent_.forgetBefore(base_.highest);
  return interval ? interval->fraction() : 0;
}

std::optional<ReportJudge::Interval> ReportJudge::between(const Point& after,
                                                          const Point& upTo) const {
  const auto copies = sent_.between(after.highest, upTo.highest);
  if (!copies) return std::nullopt;
  const auto expected = static_cast<int64_t>(upTo.highest - after.highest);
  return judge(*copies, expected - (int64_t{upTo.lost} - after.lost));
}

/** Nothing where more came than was sent: the network repeated it, or the receiver counts anew. */
std::optional<ReportJudge::Interval> ReportJudge::judge(const SentLog::Copies& sent,
                                                        int64_t received) const {
  const auto came = static_cast<uint64_t>(std::max<int64_t>(received, 0));
  if (came > sent.atMost) return std::nullopt;
  const uint64_t copiesAtLeast = sent.atLeast - std::min(sent.atLeast, came);
  const uint64_t copiesAtMost = sent.atMost - came;
  Bounds lost;
  lost.atLeast = copiesAtLeast - std::min(copiesAtLeast, sent.repeated);
  // At worst it was first those that were sent once.
  lost.atMost = std::min(copiesAtMost, sent.single);
  lost.atMost += (copiesAtMost - lost.atMost) / 2;
  lost.atMost = std::max(lost.atLeast, std::min(lost.atMost, std::max(sent.numbers, sent.single)));
  return Interval{lost, sent.atLeast, copiesAtLeast};
}

void ReportJudge::confirm(const Point& after, const Point& upTo) {
  // With a recorder that names the packets, that is what counts.
  if (reportsRanges_) return;
  confirmed_.unite(
      difference(sent_.within({after.highest + 1, upTo.highest}), sent_.lateFrom(upTo.highest)));
  confirmed_.unite(sent_.lateBetween(after.highest, upTo.highest));
}

ReportJudge::Bounds ReportJudge::openLost() const {
  if (!last_ || last_->highest == base_.highest) return {};
  if (const auto judged = between(base_, *last_)) return judged->lost;
  return {0, sent_.countWithin({base_.highest + 1, last_->highest})};
}

void ReportJudge::close(const Point& at) {
  const Bounds open = openLost();
  closed_.atLeast += open.atLeast;
  closed_.atMost += open.atMost;
  base_ = at;
}

void ReportJudge::onNewTarget() {
  if (last_) close(*last_);
  if (last_) closed_.atMost += sent_.countWithin({last_->highest + 1, sent_.highest()});
  last_.reset();
  from_ = sent_.empty() ? 0 : sent_.highest() + 1;
}

ReportJudge::Bounds ReportJudge::lost() const {
  if (reportsRanges_) return {};
  const Bounds open = openLost();
  // A number that was first sent after it had been passed may be in two intervals.
  const uint64_t unconfirmed =
      sent_.empty() ? 0 : sent_.countWithin({0, sent_.highest()}) - sizeOf(confirmed_.list());
  const uint64_t atMost = std::min(closed_.atMost + open.atMost, unconfirmed);
  return {std::min(closed_.atLeast + open.atLeast, atMost), atMost};
}

SpanList ReportJudge::behind() const {
  if (!last_ || sent_.highest() == last_->highest) return {};
  return sent_.within({last_->highest + 1, sent_.highest()});
}

JudgeRecord ReportJudge::record() const {
  JudgeRecord record{};
  record.hasLast = last_ ? 1 : 0;
  if (last_) record.last = *last_;
  record.base = base_;
  record.sentThen = sentThen_;
  record.hasFrom = from_ ? 1 : 0;
  record.from = from_.value_or(0);
  record.closedAtLeast = closed_.atLeast;
  record.closedAtMost = closed_.atMost;
  record.reporter = reporter_;
  record.wasQuiet = wasQuiet_ ? 1 : 0;
  record.reportsRanges = reportsRanges_ ? 1 : 0;
  return record;
}

void ReportJudge::restore(const JudgeRecord& record, SpanList confirmed, SpanList denied) {
  last_.reset();
  if (record.hasLast != 0) last_ = record.last;
  base_ = record.base;
  sentThen_ = record.sentThen;
  from_.reset();
  if (record.hasFrom != 0) from_ = record.from;
  closed_ = {record.closedAtLeast, record.closedAtMost};
  reporter_ = record.reporter;
  wasQuiet_ = record.wasQuiet != 0;
  reportsRanges_ = record.reportsRanges != 0;
  confirmed_.restore(std::move(confirmed));
  denied_.restore(std::move(denied));
}

}  // namespace tandem
