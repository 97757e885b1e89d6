#pragma once

#include <array>
#include <optional>
#include <vector>

#include "address.h"
#include "limits.h"
#include "ranges.h"
#include "reports.h"
#include "ring.h"
#include "rtcp.h"
#include "shard_context.h"

namespace tandem {

class LegSocket;
class Port;

enum class StartKind : uint8_t { kLive, kOldest, kTime, kSequence };

struct ForkStart {
  StartKind kind = StartKind::kLive;
  int64_t atNs = 0;
  uint64_t extended = 0;
};

/** Extended sequence numbers, inclusive. */
struct KeptOut {
  uint64_t first;
  uint64_t last;
};

/**
 * A cursor over a port's ring, on its way to one recorder. Live, it follows the head; behind, it is
 * paced until it reaches it, in order all the time, since what arrives meanwhile simply lies
 * further on in the ring.
 */
class Fork {
 public:
  /** `keptOut`: never sent, however far behind the fork begins. */
  Fork(uint32_t id, Port& port, LegSocket& leg, const Address& rtp, const Address& rtcp,
       std::vector<KeptOut> keptOut);

  uint32_t id() const { return id_; }
  Port& port() { return port_; }
  LegSocket& leg() { return *leg_; }
  const Address& rtp() const { return rtp_; }
  const Address& rtcp() const { return rtcp_; }
  ForkState state() const { return state_; }

  /** `pausedFrom`: as for `pause`; absent: it runs. */
  void start(ShardContext& context, const ForkStart& from, std::optional<uint64_t> pausedFrom);
  /**
   * Withholds everything from this extended sequence number on. A fork that is behind still sends
   * what comes before; 0 stops it at once.
   */
  void pause(uint64_t from);
  void resume();
  /**
   * Sends nothing more but RTCP BYE, repeated until the recorder has reported what it received in
   * all. Idempotent.
   */
  void end(ShardContext& context);
  void setTarget(LegSocket& leg, const Address& rtp, const Address& rtcp);

  /** New packets are in the ring. */
  void offer(ShardContext& context);
  /** Paced sending while behind. */
  void catchUp(ShardContext& context);
  /** After the flush: true once the fork need not be paced any more. */
  bool settle(ShardContext& context);
  /** The packet at `index` could not be sent now; it is tried again from the ring. */
  void fallBehind(ShardContext& context, uint64_t index);

  void onEvict(const Ring::Entry& entry, uint64_t index) {
    if (index < cursor_ || state_ == ForkState::kEnded) return;
    cursor_ = index + 1;
    if ((index >= pauseAt_ && index < resumeAt_) || isKeptOut(entry.extended)) {
      withheld_.add(entry.extended, entry.arrivalNs);
      return;
    }
    overrun_.add(entry.extended, entry.arrivalNs);
    ++overrunUntold_;
  }
  void onSent(ShardContext& context, const Ring::Entry& entry, bool replayed);
  void onSendError() { ++sendErrors_; }
  /** ICMP: the recorder's RTP port is closed. `sequence` is what the ICMP message quoted, if it
   * did. */
  void onRefused(ShardContext& context, std::optional<uint16_t> sequence);
  void onReceiverReport(ShardContext& context, const ReportBlock& block, int64_t arrivalNs);

  /** Slow duties: sender reports, and telling of overruns. */
  void tick(ShardContext& context);

  ForkReport report() const;
  ForkSigns signs() const;

 private:
  void paceFromHere(ShardContext& context);
  void enterCatchUp(ShardContext& context);
  bool isKeptOut(uint64_t extended) const;
  void withholdUntil(uint64_t index);
  void withholdPending();
  void reachPause();
  /** Returns its NTP time as a receiver report echoes it. */
  uint32_t sendReport(ShardContext& context, bool bye);
  void sayBye(ShardContext& context);
  void judgeFinal(ShardContext& context, ReceiverReport& report, uint32_t lastSenderReport);

  const uint32_t id_;
  Port& port_;
  LegSocket* leg_;
  Address rtp_;
  Address rtcp_;
  const std::vector<KeptOut> keptOut_;
  ForkState state_ = ForkState::kLive;
  static constexpr uint64_t kNever = UINT64_MAX;

  uint64_t cursor_ = 0;
  /** Of a fork that was paused while it was behind: what lies in the ring from here to there is
   * withheld. */
  uint64_t pauseAt_ = kNever;
  uint64_t resumeAt_ = kNever;
  bool listed_ = false;
  bool repace_ = false;
  int64_t paceArrivalNs_ = 0;
  int64_t paceMonotonicNs_ = 0;

  uint64_t sentPackets_ = 0;
  uint64_t sentBytes_ = 0;
  uint64_t sentOctets_ = 0;
  uint64_t sendErrors_ = 0;
  uint64_t lastSent_ = 0;
  uint64_t highestSent_ = 0;
  Ranges sent_;
  Ranges replayed_;
  Ranges overrun_;
  Ranges withheld_;
  int64_t sendingSinceNs_ = 0;
  int64_t lastSentMonotonicNs_ = 0;
  uint64_t overrunUntold_ = 0;
  int64_t overrunToldNs_ = 0;

  std::optional<ForkRefusal> refused_;
  bool refusalTold_ = false;
  std::optional<ReceiverReport> receiverReport_;
  uint64_t receiverReports_ = 0;
  uint64_t sentBeforeReport_ = 0;
  int64_t nextReportNs_ = 0;
  /** Compact NTP times of the sender reports that went with a BYE. */
  std::array<uint32_t, kByesMax> byes_{};
  size_t byeCount_ = 0;
  int64_t nextByeNs_ = 0;
  /** No report that came later would say more. */
  bool settled_ = false;
};

}  // namespace tandem
