#pragma once

#include <cstdint>
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
  void clear() { list_.clear(); }

 private:
  SpanList::iterator firstFrom(uint64_t number);

  SpanList list_;
};

/** With the times that `all`, which has every one of these numbers, has for them. */
std::vector<Range> timed(const SpanList& spans, const std::vector<Range>& all);

}  // namespace tandem
