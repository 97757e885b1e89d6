#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "ranges.h"

namespace tandem {

/** Inclusive, of extended sequence numbers. */
struct Span {
  uint64_t first;
  uint64_t last;
};

/** Ascending and disjoint. */
using SpanList = std::vector<Span>;

SpanList intersection(const SpanList& one, const SpanList& other);
SpanList difference(const SpanList& from, const SpanList& less);
/** Appends, joined to what is last in `list` if it follows on it. */
void append(SpanList& list, const Span& span);
uint64_t sizeOf(const SpanList& list);

/** A set of numbers, as spans with room between them. */
class Spans {
 public:
  void unite(const SpanList& more);
  void subtract(const SpanList& less);
  bool contains(uint64_t number) const;
  /** What lies within. */
  SpanList within(const Span& bounds) const;
  const SpanList& list() const { return list_; }
  /** So many at the beginning are as they were when this was asked for the last time. */
  size_t takeUnchanged() { return std::exchange(unchanged_, SIZE_MAX); }
  void restore(SpanList list) { list_ = std::move(list); }

 private:
  SpanList::iterator firstFrom(uint64_t number);
  void changesFrom(SpanList::iterator item) {
    unchanged_ = std::min(unchanged_, static_cast<size_t>(item - list_.begin()));
  }

  SpanList list_;
  size_t unchanged_ = SIZE_MAX;
};

/** With the times that `all`, which has every one of these numbers, has for them. */
std::vector<Range> timed(const SpanList& spans, const std::vector<Range>& all);

}  // namespace tandem
