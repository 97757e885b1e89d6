#include "spans.h"

#include <algorithm>

namespace tandem {

namespace {

bool endsBefore(const Span& span, uint64_t number) { return span.last < number; }

}  // namespace

void append(SpanList& list, const Span& span) {
  if (!list.empty() && list.back().last + 1 >= span.first) {
    list.back().last = std::max(list.back().last, span.last);
  } else {
    list.push_back(span);
  }
}

SpanList intersection(const SpanList& one, const SpanList& other) {
  SpanList both;
  auto a = one.begin();
  auto b = other.begin();
  while (a != one.end() && b != other.end()) {
    const uint64_t first = std::max(a->first, b->first);
    const uint64_t last = std::min(a->last, b->last);
    if (first <= last) both.push_back({first, last});
    if (a->last < b->last) {
      ++a;
    } else {
      ++b;
    }
  }
  return both;
}

SpanList difference(const SpanList& from, const SpanList& less) {
  SpanList rest;
  auto taken = less.begin();
  for (Span span : from) {
    while (taken != less.end() && taken->last < span.first) ++taken;
    bool isLeft = true;
    for (auto each = taken; each != less.end() && each->first <= span.last; ++each) {
      if (each->first > span.first) rest.push_back({span.first, each->first - 1});
      isLeft = each->last < span.last;
      if (!isLeft) break;
      span.first = each->last + 1;
    }
    if (isLeft) rest.push_back(span);
  }
  return rest;
}

uint64_t sizeOf(const SpanList& list) {
  uint64_t size = 0;
  for (const Span& span : list) size += span.last - span.first + 1;
  return size;
}

SpanList::iterator Spans::firstFrom(uint64_t number) {
  return std::lower_bound(list_.begin(), list_.end(), number, endsBefore);
}

void Spans::unite(const SpanList& more) {
  if (more.empty()) return;
  // Those that lie between what is added, or touch it.
  const uint64_t from = more.front().first;
  const auto begin = firstFrom(from == 0 ? 0 : from - 1);
  auto end = begin;
  while (end != list_.end() && end->first <= more.back().last + 1) ++end;
  SpanList merged;
  merged.reserve(more.size() + static_cast<size_t>(end - begin));
  auto old = begin;
  for (auto added = more.begin(); added != more.end() || old != end;) {
    const bool takesOld = added == more.end() || (old != end && old->first < added->first);
    append(merged, takesOld ? *old : *added);
    if (takesOld) {
      ++old;
    } else {
      ++added;
    }
  }
  changesFrom(begin);
  const auto at = list_.erase(begin, end);
  list_.insert(at, merged.begin(), merged.end());
  // Nobody is told what is not so: what is forgotten is neither confirmed nor denied.
  if (list_.size() <= kSpansMax) return;
  unchanged_ = 0;
  list_.erase(list_.begin(), list_.end() - static_cast<std::ptrdiff_t>(kSpansMax));
}

void Spans::subtract(const SpanList& less) {
  if (less.empty()) return;
  const auto begin = firstFrom(less.front().first);
  auto end = begin;
  while (end != list_.end() && end->first <= less.back().last) ++end;
  if (begin == end) return;
  changesFrom(begin);
  const SpanList rest = difference(SpanList(begin, end), less);
  const auto at = list_.erase(begin, end);
  list_.insert(at, rest.begin(), rest.end());
}

bool Spans::contains(uint64_t number) const {
  const auto found = std::lower_bound(list_.begin(), list_.end(), number, endsBefore);
  return found != list_.end() && found->first <= number;
}

SpanList Spans::within(const Span& bounds) const {
  SpanList parts;
  for (auto each = std::lower_bound(list_.begin(), list_.end(), bounds.first, endsBefore);
       each != list_.end() && each->first <= bounds.last; ++each) {
    parts.push_back({std::max(each->first, bounds.first), std::min(each->last, bounds.last)});
  }
  return parts;
}

std::vector<Range> timed(const SpanList& spans, const std::vector<Range>& all) {
  std::vector<Range> result;
  result.reserve(spans.size());
  auto range = all.begin();
  for (const Span& span : spans) {
    while (range != all.end() && range->last < span.first) ++range;
    // A piece for each range: their times are not on one line.
    for (auto each = range; each != all.end() && each->first <= span.last; ++each) {
      const uint64_t first = std::max(span.first, each->first);
      const uint64_t last = std::min(span.last, each->last);
      result.push_back({first, last, Ranges::timeOf(*each, first), Ranges::timeOf(*each, last)});
    }
  }
  return result;
}

}  // namespace tandem
