#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "limits.h"

namespace tandem {

/** Inclusive, with the receive times of its ends. */
struct Range {
  uint64_t first;
  uint64_t last;
  int64_t firstAtNs;
  int64_t lastAtNs;
};

/** Ordered, disjoint ranges of extended sequence numbers. Adding the next number in order costs a
 * compare and a store; memory grows with the gaps alone. */
class Ranges {
 public:
  explicit Ranges(size_t max = kRangesMax) : max_(max) {}

  /** False if the number was there already. */
  bool add(uint64_t sequence, int64_t atNs) {
    if (!list_.empty() && sequence == list_.back().last + 1) {
      list_.back().last = sequence;
      list_.back().lastAtNs = atNs;
      return true;
    }
    return insert(sequence, atNs);
  }

  void addRange(const Range& range) {
    // Only ever used for ranges beyond what is there.
    if (!list_.empty() && range.first <= list_.back().last) return;
    if (!list_.empty() && range.first == list_.back().last + 1) {
      list_.back().last = range.last;
      list_.back().lastAtNs = range.lastAtNs;
      return;
    }
    list_.push_back(range);
    bound();
  }

  bool contains(uint64_t sequence) const {
    const auto after = endOf(sequence);
    return after != list_.begin() && sequence <= std::prev(after)->last;
  }

  /** The part within first..last; times inside a range are interpolated. */
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
  uint64_t joined() const { return joined_; }
  /** From this number on the list is exact; absent: all of it is. */
  const std::optional<uint64_t>& exactFrom() const { return exactFrom_; }

  /** Interpolated between the ends of its range. */
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

  bool insert(uint64_t sequence, int64_t atNs) {
    const auto i = static_cast<size_t>(endOf(sequence) - list_.begin());
    if (i > 0 && sequence <= list_[i - 1].last) return false;
    const bool joinsBefore = i > 0 && list_[i - 1].last + 1 == sequence;
    const bool joinsAfter = i < list_.size() && sequence + 1 == list_[i].first;
    if (joinsBefore && joinsAfter) {
      list_[i - 1].last = list_[i].last;
      list_[i - 1].lastAtNs = list_[i].lastAtNs;
      list_.erase(list_.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (joinsBefore) {
      list_[i - 1].last = sequence;
      list_[i - 1].lastAtNs = atNs;
    } else if (joinsAfter) {
      list_[i].first = sequence;
      list_[i].firstAtNs = atNs;
    } else {
      list_.insert(list_.begin() + static_cast<std::ptrdiff_t>(i),
                   Range{sequence, sequence, atNs, atNs});
      bound();
    }
    return true;
  }

  /** Joins the oldest: old gaps are forgotten before memory grows. */
  void bound() {
    if (list_.size() <= max_) return;
    const size_t join = std::max<size_t>(1, max_ / kJoinedPart);
    exactFrom_ = list_[join].first;
    list_[join].first = list_[0].first;
    list_[join].firstAtNs = list_[0].firstAtNs;
    list_.erase(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(join));
    joined_ += join;
  }

  size_t max_;
  std::vector<Range> list_;
  uint64_t joined_ = 0;
  std::optional<uint64_t> exactFrom_;
};

}  // namespace tandem
