#include "order_book.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "clock.h"
#include "error.h"

namespace tandem {

namespace {

/** Deaths that lie further apart have nothing to do with each other. */
constexpr int64_t kTogetherNs = 60 * kNsPerSecond;

// FNV-1a, 64 bits.
constexpr uint64_t kDigestStart = 0xcbf29ce484222325;
constexpr uint64_t kDigestFactor = 0x100000001b3;

}  // namespace

OrderBook::OrderBook(OrderRecords& records) : records_(records) {
  if (!records_.isUnderWay) return;
  interrupted_ = {records_.underWayNumber, records_.underWayIds};
  countDeath();
  records_.isUnderWay = false;
}

void OrderBook::countDeath() {
  const uint64_t digest = records_.underWayDigest;
  auto& fatal = records_.fatal;
  auto found = std::find_if(fatal.begin(), fatal.end(),
                            [&](const auto& order) { return order.digest == digest; });
  if (found == fatal.end()) {
    found = std::min_element(fatal.begin(), fatal.end(),
                             [](const auto& a, const auto& b) { return a.lastNs < b.lastNs; });
    *found = {digest, 0, 0};
  }
  const int64_t now = monotonicNs();
  const bool isPutAside = found->deaths >= kDeathsPerOrderMax;
  if (now - found->lastNs > kTogetherNs && !isPutAside) found->deaths = 0;
  ++found->deaths;
  found->lastNs = now;
}

void OrderBook::beginSession() {
  uint64_t session = 0;
  while (session == 0) {
    if (getrandom(&session, sizeof session, 0) != sizeof session) failErrno("getrandom");
  }
  records_.hasDone = false;
  records_.session = session;
  interrupted_.reset();
}

uint64_t OrderBook::digestOf(std::span<const uint8_t> order) {
  uint64_t digest = kDigestStart;
  for (const uint8_t byte : order) digest = (digest ^ byte) * kDigestFactor;
  return digest;
}

bool OrderBook::wasDone(uint32_t number) const {
  // Numbers go round.
  return records_.hasDone && static_cast<int32_t>(records_.doneNumber - number) >= 0;
}

std::optional<std::span<const uint8_t>> OrderBook::answerTo(uint32_t number) const {
  const OrderRecords::Answer& kept = records_.answers[number % kAnswersKept];
  if (kept.session != records_.session || kept.number != number || kept.size == 0)
    return std::nullopt;
  if (kept.offset + kAnswerBytesKept < records_.answersEnd) return std::nullopt;
  return std::span<const uint8_t>(&records_.answerBytes[kept.offset % kAnswerBytesKept], kept.size);
}

bool OrderBook::isFatal(uint64_t digest) const {
  return std::any_of(records_.fatal.begin(), records_.fatal.end(), [&](const auto& order) {
    return order.digest == digest && order.deaths >= kDeathsPerOrderMax;
  });
}

std::optional<uint64_t> OrderBook::idsBefore(uint32_t number) const {
  if (!interrupted_ || interrupted_->number != number) return std::nullopt;
  return interrupted_->ids;
}

void OrderBook::begin(uint32_t number, uint64_t digest, uint64_t ids) {
  records_.underWayNumber = number;
  records_.underWayDigest = digest;
  // One that is done again may die again.
  records_.underWayIds = idsBefore(number).value_or(ids);
  records_.isUnderWay = true;
}

void OrderBook::finish(uint32_t number, std::span<const uint8_t> answer) {
  keep(number, answer);
  records_.doneNumber = number;
  records_.hasDone = true;
  records_.isUnderWay = false;
  interrupted_.reset();
}

void OrderBook::keep(uint32_t number, std::span<const uint8_t> answer) {
  OrderRecords::Answer& kept = records_.answers[number % kAnswersKept];
  kept.size = 0;
  if (answer.empty() || answer.size() > kAnswerBytesKept) return;
  uint64_t offset = records_.answersEnd;
  // In one piece.
  const uint64_t left = kAnswerBytesKept - offset % kAnswerBytesKept;
  if (left < answer.size()) offset += left;
  records_.answersEnd = offset + answer.size();
  memcpy(&records_.answerBytes[offset % kAnswerBytesKept], answer.data(), answer.size());
  kept = {records_.session, number, static_cast<uint32_t>(answer.size()), offset};
}

}  // namespace tandem
