#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "ranges.h"
#include "spans.h"

namespace tandem {

/**
 * What was sent to one recorder, number by number and copy by copy: a sender may repeat a packet,
 * and a recorder counts every copy that comes. A number above all before it costs a compare and a
 * store; each other copy is kept until it has been judged.
 */
class SentLog {
 public:
  /** A copy that was not higher than all before it. */
  struct Late {
    uint64_t number;
    uint64_t highestThen;
    /** Or 0. */
    uint64_t isRepetition;
  };

  /** True where it was not higher than all before it. */
  bool add(uint64_t number, int64_t arrivalNs);

  bool empty() const { return ranges_.list().empty(); }
  uint64_t first() const { return ranges_.list().front().first; }
  uint64_t last() const { return last_; }
  uint64_t highest() const { return ranges_.list().back().last; }
  const std::vector<Range>& list() const { return ranges_.list(); }
  bool contains(uint64_t number) const;
  SpanList within(const Span& bounds) const;
  uint64_t countWithin(const Span& bounds) const;

  /** What a recorder may have counted between the moments at which `after` and `upTo` were the
   * highest that it had. */
  struct Copies {
    /** Numbers in between that may be lost: `upTo` is not. */
    uint64_t numbers;
    /** Of which so many were sent once, for all that is known: not fewer than they are. */
    uint64_t single;
    /** Copies: a repetition of `after` or `upTo` itself may be counted before or behind it. */
    uint64_t atLeast;
    uint64_t atMost;
    /** Repetitions among them, at most. */
    uint64_t repeated;
  };
  /** Nothing if that is not known any more. */
  std::optional<Copies> between(uint64_t after, uint64_t upTo) const;
  /** Numbers that came late, when `after` and not yet `upTo` had been sent. */
  SpanList lateBetween(uint64_t after, uint64_t upTo) const;
  /** Numbers up to `highest` that were first sent after it. */
  SpanList lateFrom(uint64_t highest) const;
  /** `between` is not asked about what lies before. */
  void forgetBefore(uint64_t number);

  Ranges& ranges() { return ranges_; }
  const std::deque<Late>& late() const { return late_; }
  /** As of a list: see `Ranges::takeUnchanged`. */
  size_t takeLateUnchanged() { return std::exchange(lateUnchanged_, SIZE_MAX); }
  uint64_t knownFrom() const { return knownFrom_; }
  void restore(Ranges ranges, uint64_t last, const std::vector<Late>& late, uint64_t knownFrom);

 private:
  template <typename Suits>
  SpanList lateWhere(Suits&& suits) const;

  Ranges ranges_;
  uint64_t last_ = 0;
  std::deque<Late> late_;
  size_t lateUnchanged_ = SIZE_MAX;
  uint64_t knownFrom_ = 0;
};

}  // namespace tandem
