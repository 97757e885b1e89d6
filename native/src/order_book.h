#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "limits.h"

namespace tandem {

/** Of answers that a control may not have read when the edge is killed. */
inline constexpr size_t kAnswersKept = 16384;
inline constexpr size_t kAnswerBytesKept = 2 * kChannelPendingMax;
/** Deaths of the edge in one order's course before that order is put aside, within so long. */
inline constexpr uint32_t kDeathsPerOrderMax = 3;
/** Orders that deaths are counted for: the one that was longest ago makes room. */
inline constexpr size_t kFatalOrdersMax = 16;

/** What the next worker has to know of the orders of the one that was killed, in memory that they
 * share. */
struct OrderRecords {
  struct Answer {
    uint64_t session;
    uint32_t number;
    uint32_t size;
    /** Of all answers' bytes. */
    uint64_t offset;
  };
  struct FatalOrder {
    uint64_t digest;
    int64_t lastNs;
    uint32_t deaths;
  };

  /** Of the control that came last; 0: none has come. */
  uint64_t session;
  std::atomic<bool> hasDone;
  uint32_t doneNumber;

  std::atomic<bool> isUnderWay;
  uint32_t underWayNumber;
  uint64_t underWayDigest;
  /** See `Edge::beginAgain`. */
  uint64_t underWayIds;

  std::array<FatalOrder, kFatalOrdersMax> fatal;
  /** Adoptions that were begun, one after the other, and not finished. */
  uint32_t adoptions;

  std::atomic<uint64_t> answersEnd;
  std::array<Answer, kAnswersKept> answers;
  std::array<uint8_t, kAnswerBytesKept> answerBytes;
};

/**
 * Which orders of a control have been carried out, what they were answered, and which one was under
 * way when the edge was killed: so that a control may ask again for all that it has no answer to,
 * and nothing is done twice.
 */
class OrderBook {
 public:
  /** The first that a worker does with it: what its predecessor had under way is known from then
   * on. */
  explicit OrderBook(OrderRecords& records);

  /** A control has come that none of the orders so far were of. */
  void beginSession();
  uint64_t session() const { return records_.session; }
  bool isOf(uint64_t session) const { return session != 0 && session == records_.session; }

  static uint64_t digestOf(std::span<const uint8_t> order);
  bool wasDone(uint32_t number) const;
  /** Absent where it was none that is kept, or was too long ago. */
  std::optional<std::span<const uint8_t>> answerTo(uint32_t number) const;
  /** It has killed the edge too often. */
  bool isFatal(uint64_t digest) const;
  /** The ids that its predecessor had given out when it began this order, if it was killed in its
   * course. */
  std::optional<uint64_t> idsBefore(uint32_t number) const;

  /** Written down before anything is done. */
  void begin(uint32_t number, uint64_t digest, uint64_t ids);
  void finish(uint32_t number, std::span<const uint8_t> answer);

 private:
  void countDeath();
  void keep(uint32_t number, std::span<const uint8_t> answer);

  OrderRecords& records_;
  struct Interrupted {
    uint32_t number;
    uint64_t ids;
  };
  std::optional<Interrupted> interrupted_;
};

}  // namespace tandem
