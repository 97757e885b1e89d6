#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "ranges.h"
#include "shm_records.h"
#include "spans.h"

namespace tandem {

/** The writer's side of ranges. */
class SharedRanges {
 public:
  RangesRecord update(ListChunks& chunks, Ranges& ranges) {
    RangesRecord record{};
    record.list = list_.update(chunks, ranges.list(), ranges.takeUnchanged());
    record.line = ranges.line();
    record.joinedCount = ranges.joinedCount();
    record.exactFrom = SharedNumber::of(ranges.exactFrom());
    return record;
  }
  SharedList<Range>& list() { return list_; }

 private:
  SharedList<Range> list_;
};

// What a reader makes of records: nothing where they cannot be right.

/** So far apart that nothing that is counted with them leaves 64 bits. */
inline constexpr uint64_t kNumberMax = uint64_t{1} << 60;
inline constexpr int64_t kTimeMaxNs = int64_t{1} << 61;

inline bool isSane(uint64_t first, uint64_t last) { return first <= last && last < kNumberMax; }
inline bool isSane(int64_t atNs) { return atNs > -kTimeMaxNs && atNs < kTimeMaxNs; }
inline bool isSane(const Range& range) {
  return isSane(range.first, range.last) && isSane(range.firstAtNs) && isSane(range.lastAtNs);
}
inline bool isSane(const Span& span) { return isSane(span.first, span.last); }

/** Ascending and disjoint. */
template <typename Item>
bool areSane(const std::vector<Item>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (!isSane(items[i]) || (i > 0 && items[i].first <= items[i - 1].last)) return false;
  }
  return true;
}

/** The list, and the chunks that it is in. */
template <typename At>
std::optional<std::pair<Ranges, std::vector<uint32_t>>> readRanges(const RangesRecord& record,
                                                                   At&& at) {
  auto found = readList(record.list, kRangesMax, at);
  if (!found || !areSane(found->items)) return std::nullopt;
  Ranges ranges;
  ranges.restore(std::move(found->items), record.line, record.joinedCount, record.exactFrom.get());
  return std::pair(std::move(ranges), std::move(found->chain));
}

template <typename At>
std::optional<FoundList<Span>> readSpans(const ListRecord<Span>& record, At&& at) {
  auto found = readList(record, kSpansMax, at);
  if (found && !areSane(found->items)) return std::nullopt;
  return found;
}

}  // namespace tandem
