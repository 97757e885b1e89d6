#include "sent_log.h"

#include <algorithm>
#include <iterator>

#include "limits.h"

namespace tandem {

namespace {

/** Of the bound, what is forgotten at once. */
constexpr std::ptrdiff_t kForgottenPart = 16;

auto firstFrom(const std::vector<Range>& list, uint64_t number) {
  return std::lower_bound(list.begin(), list.end(), number,
                          [](const Range& range, uint64_t n) { return range.last < n; });
}

}  // namespace

bool SentLog::add(uint64_t number, int64_t arrivalNs) {
  const uint64_t highestThen = empty() ? 0 : highest();
  const bool isNew = ranges_.add(number, arrivalNs);
  last_ = number;
  if (number > highestThen) return false;
  if (late_.size() == kLateCopiesMax) {
    // Several at once: so that what is behind them is moved seldom.
    const auto end = late_.begin() + kLateCopiesMax / kForgottenPart;
    knownFrom_ = std::prev(end)->highestThen + 1;
    late_.erase(late_.begin(), end);
    lateUnchanged_ = 0;
  }
  late_.push_back({number, highestThen, isNew ? 0u : 1u});
  return true;
}

void SentLog::restore(Ranges ranges, uint64_t last, const std::vector<Late>& late,
                      uint64_t knownFrom) {
  ranges_ = std::move(ranges);
  last_ = last;
  late_.assign(late.begin(), late.end());
  knownFrom_ = knownFrom;
}

bool SentLog::contains(uint64_t number) const {
  const auto found = firstFrom(list(), number);
  return found != list().end() && found->first <= number;
}

SpanList SentLog::within(const Span& bounds) const {
  SpanList parts;
  if (bounds.first > bounds.last) return parts;
  for (auto each = firstFrom(list(), bounds.first);
       each != list().end() && each->first <= bounds.last; ++each) {
    append(parts, {std::max(each->first, bounds.first), std::min(each->last, bounds.last)});
  }
  return parts;
}

uint64_t SentLog::countWithin(const Span& bounds) const { return sizeOf(within(bounds)); }

std::optional<SentLog::Copies> SentLog::between(uint64_t after, uint64_t upTo) const {
  if (after < knownFrom_) return std::nullopt;
  const uint64_t numbers = countWithin({after + 1, upTo});
  uint64_t inOrder = numbers;
  uint64_t surely = 0;
  uint64_t perhaps = 0;
  uint64_t repeated = 0;
  uint64_t lateFirst = 0;
  std::vector<uint64_t> severally;
  for (const Late& late : late_) {
    const bool isWithin = late.number > after && late.number <= upTo;
    if (isWithin && late.isRepetition == 0) --inOrder;
    if (isWithin && late.isRepetition != 0 && late.number < upTo && late.highestThen < upTo)
      severally.push_back(late.number);
    if (late.highestThen < after || late.highestThen > upTo) continue;
    ++perhaps;
    if (late.highestThen > after && late.highestThen < upTo) ++surely;
    if (late.isRepetition != 0) {
      ++repeated;
    } else {
      ++lateFirst;
    }
  }
  std::sort(severally.begin(), severally.end());
  const auto end = std::unique(severally.begin(), severally.end());
  const auto several = static_cast<uint64_t>(end - severally.begin());
  const uint64_t open = numbers - std::min<uint64_t>(numbers, 1);
  return Copies{open, open - several + lateFirst, inOrder + surely, inOrder + perhaps, repeated};
}

template <typename Suits>
SpanList SentLog::lateWhere(Suits&& suits) const {
  std::vector<uint64_t> numbers;
  for (const Late& late : late_) {
    if (late.isRepetition == 0 && suits(late)) numbers.push_back(late.number);
  }
  std::sort(numbers.begin(), numbers.end());
  SpanList spans;
  for (const uint64_t number : numbers) append(spans, {number, number});
  return spans;
}

SpanList SentLog::lateBetween(uint64_t after, uint64_t upTo) const {
  return lateWhere([=](const Late& late) {
    return late.number <= after && late.highestThen >= after && late.highestThen < upTo;
  });
}

SpanList SentLog::lateFrom(uint64_t highest) const {
  return lateWhere([=](const Late& late) { return late.highestThen >= highest; });
}

void SentLog::forgetBefore(uint64_t number) {
  while (!late_.empty() && late_.front().highestThen < number) {
    late_.pop_front();
    lateUnchanged_ = 0;
  }
}

}  // namespace tandem
