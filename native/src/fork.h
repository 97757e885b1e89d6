#pragma once

#include <optional>
#include <vector>

#include "address.h"
#include "fork_pace.h"
#include "fork_pause.h"
#include "fork_rtcp.h"
#include "ranges.h"
#include "recently_sent.h"
#include "report_judge.h"
#include "reports.h"
#include "ring.h"
#include "sent_log.h"
#include "shard_context.h"
#include "shm_ranges.h"

namespace tandem {

class LegSocket;
class Port;

enum class StartKind : uint8_t { kLive, kOldest, kSequence };

struct ForkStart {
  StartKind kind = StartKind::kLive;
  uint64_t extended = 0;
};

/**
 * A cursor over a port's ring, on its way to one recorder. Live, it follows the head; behind, it is
 * paced until it reaches it, in order all the time, since what arrives meanwhile simply lies
 * further on in the ring.
 */
class Fork {
 public:
  /** `keptOut`: never sent, however far behind the fork begins. */
  Fork(uint32_t id, ForkLease lease, Port& port, size_t streamIndex, LegSocket& leg,
       const Address& rtp, const Address& rtcp, std::vector<KeptOut> keptOut);

  uint32_t id() const { return id_; }
  size_t slot() const { return lease_.slot(); }
  void show() { lease_.show(id_); }
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

  /** New packets are in the ring. False if some are left, as `context.legSlice` was used up. */
  bool offer(ShardContext& context);
  /** Paced sending while behind, of so many packets at most. */
  void catchUp(ShardContext& context, size_t packetsMax);
  /** After the flush: true once the fork need not be paced any more. */
  bool settle(ShardContext& context);
  /** The packet at `index` could not be sent now; it is tried again from the ring. */
  void fallBehind(ShardContext& context, uint64_t index);
  /** Likewise, but not before the next tick. */
  void holdBack(ShardContext& context, uint64_t index);
  bool isHeld(const ShardContext& context) const { return context.monotonicNow < heldUntilNs_; }

  void onEvict(const Ring::Entry& entry, uint64_t index) {
    if (index < cursor_ || state_ == ForkState::kEnded) return;
    cursor_ = index + 1;
    touchAll();
    if (pause_.covers(index) || isKeptOut(entry.extended)) {
      withheld_.add(entry.extended, entry.arrivalNs);
      return;
    }
    overrun_.add(entry.extended, entry.arrivalNs);
    ++overrunUntold_;
  }
  void onSent(ShardContext& context, const Ring::Entry& entry, bool replayed);
  /** The packet itself cannot be sent: it is left out. */
  void onSendError() {
    ++sendErrors_;
    touch();
  }
  /** The kernel does not take what goes there: it is tried again, less and less often. */
  void onUnsendable(ShardContext& context, uint64_t index, int error);
  /** Dropped on its way out of this host: as a queue there does that is full for a moment, or a
   * filter for good. */
  void onDropped(ShardContext& context, uint64_t index, int error);
  /** ICMP: the recorder's RTP port is closed, or so somebody says. `sequence` is what was quoted of
   * this stream, if it was. */
  void onUnreachable(ShardContext& context, std::optional<uint16_t> sequence);
  /** A compound from the recorder's address. */
  void onRtcp(ShardContext& context, uint8_t* data, size_t size, int64_t arrivalNs);

  /** Slow duties: telling of overruns, and RTCP that is due as far as `context.reportSlice`
   * reaches. */
  void tick(ShardContext& context);

  /** Goes on where a predecessor was. Throws EDGE_MEMORY. @param chunks those of its lists are
   * added
   */
  void restore(ShardContext& context, std::vector<uint32_t>& chunks);
  /** A predecessor had sent that, in the leg's flush of that number, which it may have accounted
   * for.
   */
  void onSentBefore(ShardContext& context, uint64_t flush, uint64_t index, bool replayed);
  /** When all is known that a predecessor sent. */
  void goOn(ShardContext& context);

  // Of what is known of it in shared memory.
  /** Something has changed that is shown when its leg has sent what it has. */
  void touch();
  /** Also of what does not change with each packet. */
  void touchAll();
  void publish(ShardContext& context);
  /** It goes: its lists are given back. */
  void giveLists(ShardContext& context);

 private:
  void enterCatchUp(ShardContext& context);
  bool isKeptOut(uint64_t extended) const;
  void withholdUntil(uint64_t index);
  void withholdPending();
  void reachPause();
  void onReceiverReport(ShardContext& context, const ReportBlock& block, uint32_t reporter,
                        int64_t arrivalNs);
  bool settles(ReceiverReport& report, uint32_t lastSenderReport) const;
  /** Returns its NTP time as a receiver report echoes it. */
  uint32_t sendReport(ShardContext& context, bool bye);
  void sayBye(ShardContext& context);
  ForkProgress progressRecord(ShardContext& context);
  ForkAccount accountRecord(ShardContext& context);

  const uint32_t id_;
  ForkLease lease_;
  Port& port_;
  LegSocket* leg_;
  Address rtp_;
  Address rtcp_;
  const std::vector<KeptOut> keptOut_;
  ForkState state_ = ForkState::kLive;

  uint64_t cursor_ = 0;
  PendingPause pause_;
  ForkPace pace_;
  ForkRtcp rtcpTimes_;
  bool listed_ = false;

  uint64_t sentPackets_ = 0;
  uint64_t sentBytes_ = 0;
  uint64_t sentOctets_ = 0;
  uint64_t sendErrors_ = 0;
  SentLog sent_;
  RecentlySent& recent_;
  Ranges replayed_;
  Ranges overrun_;
  Ranges withheld_;
  int64_t sendingSinceNs_ = 0;
  int64_t lastSentMonotonicNs_ = 0;
  uint64_t overrunUntold_ = 0;
  int64_t overrunToldNs_ = 0;

  std::optional<ForkRefusal> refused_;
  int64_t doubtedNs_ = 0;
  std::optional<ForkUnsendable> unsendable_;
  int64_t heldUntilNs_ = 0;
  /** Times in a row that what goes there was dropped on its way out. */
  uint32_t drops_ = 0;

  ReportJudge judge_;
  std::optional<ReceiverReport> receiverReport_;
  uint64_t receiverReports_ = 0;
  /** Of those that say that media arrives. */
  uint64_t hearingReports_ = 0;
  int64_t heardNs_ = 0;
  uint64_t sentBeforeReport_ = 0;

  bool isTouched_ = false;
  bool accountHasChanged_ = true;
  /** The newest flush of the leg that a predecessor had accounted for. */
  uint64_t restoredFlush_ = 0;
  SharedRanges sentList_;
  SharedRanges replayedList_;
  SharedRanges overrunList_;
  SharedRanges withheldList_;
  SharedList<SentLog::Late> lateList_;
  SharedList<Span> confirmedList_;
  SharedList<Span> deniedList_;
};

}  // namespace tandem
