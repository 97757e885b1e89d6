#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "limits.h"
#include "time_line.h"

namespace tandem {

/** Inclusive, with the receive times of its ends. Those in between lie on a line from one to the
 * other, but for `kTimeErrorNs`. */
struct Range {
  uint64_t first;
  uint64_t last;
  int64_t firstAtNs;
  int64_t lastAtNs;
};

/**
 * Ordered, disjoint ranges of extended sequence numbers. Adding the next number in order costs a
 * few divisions and a store; memory grows with the gaps, and with the silences that no gap shows: a
 * range ends where its times would leave the line, and the next one follows on it.
 */
class Ranges {
 public:
  explicit Ranges(size_t max = kRangesMax) : max_(max) {}

  /** False if the number was there already. */
  bool add(uint64_t sequence, int64_t atNs) {
    if (list_.empty() || sequence != list_.back().last + 1) return insert(sequence, atNs);
    Range& newest = list_.back();
    const uint64_t numbers = sequence - newest.first;
    const int64_t ns = atNs - newest.firstAtNs;
    if (!line_.mayEndAt(numbers, ns)) {
      push({sequence, sequence, atNs, atNs});
      return true;
    }
    line_.pass(numbers, ns);
    newest.last = sequence;
    newest.lastAtNs = atNs;
    return true;
  }

  void addRange(const Range& range) {
    // Only ever used for ranges beyond what is there.
    if (!list_.empty() && range.first <= list_.back().last) return;
    if (list_.empty() || !follows(list_.back(), range)) {
      push(range);
      return;
    }
    const Range before = list_.back();
    list_.back() = joined(before, range);
    drawLine(before, range);
  }

  bool contains(uint64_t sequence) const {
    const auto after = endOf(sequence);
    return after != list_.begin() && sequence <= std::prev(after)->last;
  }

  /** The part within first..last. */
  std::vector<Range> within(uint64_t first, uint64_t last) const {
    std::vector<Range> result;
    auto it = std::lower_bound(
        list_.begin(), list_.end(), first,
        [](const Range& range, uint64_t sequence) { return range.last < sequence; });
    for (; it != list_.end() && it->first <= last; ++it) {
      Range part{std::max(it->first, first), std::min(it->last, last), 0, 0};
      part.firstAtNs = timeOf(*it, part.first);
      part.lastAtNs = timeOf(*it, part.last);
      result.push_back(part);
    }
    return result;
  }

  const std::vector<Range>& list() const { return list_; }
  /** Gaps that were closed to keep within bounds. */
  uint64_t joinedCount() const { return joinedCount_; }
  /** From this number on the list is exact; absent: all of it is. */
  const std::optional<uint64_t>& exactFrom() const { return exactFrom_; }

  const TimeLine& line() const { return line_; }
  /** So many at the beginning are as they were when this was asked for the last time. */
  size_t takeUnchanged() { return std::exchange(unchanged_, SIZE_MAX); }
  /** As they were told of once, in order. */
  void restore(std::vector<Range> list, const TimeLine& line, uint64_t joinedCount,
               const std::optional<uint64_t>& exactFrom) {
    list_ = std::move(list);
    line_ = line;
    joinedCount_ = joinedCount;
    exactFrom_ = exactFrom;
  }

  /** Read off the line between the ends of its range. */
  static int64_t timeOf(const Range& range, uint64_t sequence) {
    if (range.last == range.first) return range.firstAtNs;
    const double part =
        static_cast<double>(sequence - range.first) / static_cast<double>(range.last - range.first);
    return range.firstAtNs +
           static_cast<int64_t>(part * static_cast<double>(range.lastAtNs - range.firstAtNs));
  }

 private:
  /** Of the bound, what is joined at once: so that the shift is rare. */
  static constexpr size_t kJoinedPart = 16;

  /** Behind the last range that begins at or before `sequence`. */
  std::vector<Range>::const_iterator endOf(uint64_t sequence) const {
    return std::upper_bound(
        list_.begin(), list_.end(), sequence,
        [](uint64_t number, const Range& range) { return number < range.first; });
  }

  static bool isNear(const Range& line, uint64_t sequence, int64_t atNs) {
    return std::abs(timeOf(line, sequence) - atNs) <= kTimeErrorNs;
  }

  static Range joined(const Range& before, const Range& after) {
    return {before.first, after.last, before.firstAtNs, after.lastAtNs};
  }

  /** Whether both can be one, in number and time. */
  static bool follows(const Range& before, const Range& after) {
    if (after.first != before.last + 1) return false;
    const Range both = joined(before, after);
    return isNear(both, before.last, before.lastAtNs) && isNear(both, after.first, after.firstAtNs);
  }

  void push(const Range& range) {
    list_.push_back(range);
    line_.beginAnew();
    if (range.last > range.first) pass(range.last, range.lastAtNs);
    bound();
  }

  void pass(uint64_t sequence, int64_t atNs) {
    const Range& newest = list_.back();
    if (sequence > newest.first) line_.pass(sequence - newest.first, atNs - newest.firstAtNs);
  }

  /** The newest range is made of these two. */
  void drawLine(const Range& before, const Range& after) {
    line_.beginAnew();
    pass(before.last, before.lastAtNs);
    pass(after.first, after.firstAtNs);
    pass(after.last, after.lastAtNs);
  }

  bool insert(uint64_t sequence, int64_t atNs) {
    const auto i = static_cast<size_t>(endOf(sequence) - list_.begin());
    if (i > 0 && sequence <= list_[i - 1].last) return false;
    const Range added{sequence, sequence, atNs, atNs};
    if (i == list_.size()) {
      push(added);
      return true;
    }
    unchanged_ = std::min(unchanged_, i > 0 ? i - 1 : 0);
    const auto at = list_.begin() + static_cast<std::ptrdiff_t>(i);
    const Range after = *at;
    const bool isNewest = i + 1 == list_.size();
    if (i > 0 && follows(list_[i - 1], added)) {
      const Range before = joined(list_[i - 1], added);
      list_[i - 1] = before;
      if (!follows(before, after)) return true;
      list_[i - 1] = joined(before, after);
      list_.erase(at);
      if (isNewest) drawLine(before, after);
    } else if (follows(added, after)) {
      *at = joined(added, after);
      if (isNewest) drawLine(added, after);
    } else {
      list_.insert(at, added);
      bound();
    }
    return true;
  }

  /** Joins the oldest: old gaps are forgotten before memory grows. */
  void bound() {
    if (list_.size() <= max_) return;
    const size_t join = std::max<size_t>(1, max_ / kJoinedPart);
    unchanged_ = 0;
    exactFrom_ = list_[join].first;
    list_[join].first = list_[0].first;
    list_[join].firstAtNs = list_[0].firstAtNs;
    list_.erase(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(join));
    joinedCount_ += join;
  }

  size_t max_;
  std::vector<Range> list_;
  /** Of the newest range. */
  TimeLine line_;
  uint64_t joinedCount_ = 0;
  std::optional<uint64_t> exactFrom_;
  size_t unchanged_ = SIZE_MAX;
};

}  // namespace tandem
