#pragma once

#include <cstdint>
#include <optional>

#include "rtcp.h"
#include "rtcp_xr.h"
#include "sent_log.h"
#include "spans.h"

namespace tandem {

/** All that a ReportJudge knows, but for what is confirmed and denied: any bits are some value. */
struct JudgeRecord {
  /** A receiver report: what the receiver had, in our numbers and in its own. */
  struct Point {
    uint64_t highest;
    uint32_t counted;
    int32_t lost;
  };

  uint64_t hasLast;
  Point last;
  Point base;
  uint64_t sentThen;
  uint64_t hasFrom;
  uint64_t from;
  uint64_t closedAtLeast;
  uint64_t closedAtMost;
  uint32_t reporter;
  uint16_t wasQuiet;
  uint16_t reportsRanges;
};

/**
 * What one recorder's reports prove, held against what was sent to it. A receiver report (RFC 3550
 * section 6.4.1) counts what came since the one before; where as many copies came as were sent, all
 * of them did. A Loss RLE block (RFC 3611 section 4.1) names the packets. Where neither proves that
 * a packet came it is not confirmed, whoever may have counted it as what.
 */
class ReportJudge {
 public:
  struct Bounds {
    uint64_t atLeast = 0;
    uint64_t atMost = 0;
  };

  ReportJudge(uint32_t ssrc, SentLog& sent) : ssrc_(ssrc), sent_(sent) {}

  /** Of an RTCP compound: takes what its extended reports say. */
  void onRanges(uint8_t* data, size_t size);

  struct Report {
    uint64_t highest;
    double fractionLost;
    /** It goes on reporting, and nothing comes: not even what was on its way at the report before.
     */
    bool isDeaf;
  };
  /** Nothing if it is not about our stream, or tells of what was not sent, or is older than
   * another. */
  std::optional<Report> onReport(const ReportBlock& block, uint32_t reporter);

  /** Another receiver, which may have counted before, reports from now on. */
  void onNewTarget();

  bool reportsRanges() const { return reportsRanges_; }
  const Spans& confirmed() const { return confirmed_; }
  const Spans& denied() const { return denied_; }

  /** Of what was reported on and is neither confirmed nor denied. */
  Bounds lost() const;
  /** Sent behind the last report's highest number. */
  SpanList behind() const;

  JudgeRecord record() const;
  void restore(const JudgeRecord& record, SpanList confirmed, SpanList denied);
  Spans& confirmed() { return confirmed_; }
  Spans& denied() { return denied_; }

 private:
  using Point = JudgeRecord::Point;
  struct Interval {
    Bounds lost;
    uint64_t copies;
    uint64_t copiesLost;
    /** None may be there for sure: the highest that came may have been sent after higher ones. */
    double fraction() const {
      return copies == 0 ? 0 : static_cast<double>(copiesLost) / static_cast<double>(copies);
    }
  };

  void onLossRle(const LossRle& block);
  double begin(const Point& point);
  double restart(const Point& point);
  double goOn(const Point& point);
  bool isOld(const Point& point) const;
  bool beganAnew(const Point& point, uint32_t reporter) const;
  std::optional<Interval> between(const Point& after, const Point& upTo) const;
  std::optional<Interval> judge(const SentLog::Copies& sent, int64_t received) const;
  void confirm(const Point& after, const Point& upTo);
  /** What lies between the base and the last report stays as it is. */
  Bounds openLost() const;
  void close(const Point& at);

  const uint32_t ssrc_;
  SentLog& sent_;
  std::optional<Point> last_;
  uint32_t reporter_ = 0;
  /** Highest number that was sent when the last report came. */
  uint64_t sentThen_ = 0;
  /** All up to there is confirmed, or counted in `closed_`. */
  Point base_{};
  /** The interval before the last report was without loss, though what lies between it and the base
   * was not. */
  bool wasQuiet_ = false;
  /** First number that the present receiver was sent, if there was another before. It may have
   * counted more than that. */
  std::optional<uint64_t> from_;
  Bounds closed_;
  bool reportsRanges_ = false;
  Spans confirmed_;
  Spans denied_;
};

}  // namespace tandem
