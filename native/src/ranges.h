#pragma once

#include <algorithm>
#include <cstdint>
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
 * compare and a store. */
class Ranges {
 public:
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
    for (auto it = list_.rbegin(); it != list_.rend(); ++it) {
      if (sequence > it->last) return false;
      if (sequence >= it->first) return true;
    }
    return false;
  }

  /** The part within first..last; times inside a range are interpolated. */
  std::vector<Range> within(uint64_t first, uint64_t last) const {
    std::vector<Range> result;
    for (const Range& range : list_) {
      if (range.last < first || range.first > last) continue;
      Range part{std::max(range.first, first), std::min(range.last, last), 0, 0};
      part.firstAtNs = timeOf(range, part.first);
      part.lastAtNs = timeOf(range, part.last);
      result.push_back(part);
    }
    return result;
  }

  const std::vector<Range>& list() const { return list_; }
  uint64_t joined() const { return joined_; }

 private:
  static int64_t timeOf(const Range& range, uint64_t sequence) {
    if (range.last == range.first) return range.firstAtNs;
    const double part =
        static_cast<double>(sequence - range.first) / static_cast<double>(range.last - range.first);
    return range.firstAtNs +
           static_cast<int64_t>(part * static_cast<double>(range.lastAtNs - range.firstAtNs));
  }

  bool insert(uint64_t sequence, int64_t atNs) {
    // From the back: what is out of order is late by a few packets.
    size_t i = list_.size();
    while (i > 0 && list_[i - 1].first > sequence) --i;
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

  /** Joins the oldest: old gaps are forgotten before memory grows. Several at once, so that the
   * shift is rare. */
  void bound() {
    if (list_.size() <= kRangesMax) return;
    constexpr size_t kJoin = 64;
    list_[kJoin].first = list_[0].first;
    list_[kJoin].firstAtNs = list_[0].firstAtNs;
    list_.erase(list_.begin(), list_.begin() + kJoin);
    joined_ += kJoin;
  }

  std::vector<Range> list_;
  uint64_t joined_ = 0;
};

}  // namespace tandem
