// A fork as its predecessor left it in shared memory.

#include "fork.h"
#include "leg_socket.h"
#include "port.h"
#include "slot_lists.h"

namespace tandem {

void Fork::restore(ShardContext& context, std::vector<uint32_t>& chunks) {
  ForkContents from = readFork(context.memory.map(), lease_.slot());
  const ForkProgress& progress = from.progress;
  const ForkAccount& account = from.account;
  for (const auto* chain :
       {&from.sent.second, &from.replayed.second, &from.overrun.second, &from.withheld.second,
        &from.late.chain, &from.confirmed.chain, &from.denied.chain})
    chunks.insert(chunks.end(), chain->begin(), chain->end());
  sentList_.list().adopt(std::move(from.sent.second), progress.sent.list.count);
  replayedList_.list().adopt(std::move(from.replayed.second), account.replayed.list.count);
  overrunList_.list().adopt(std::move(from.overrun.second), account.overrun.list.count);
  withheldList_.list().adopt(std::move(from.withheld.second), account.withheld.list.count);
  lateList_.adopt(std::move(from.late.chain), account.late.count);
  confirmedList_.adopt(std::move(from.confirmed.chain), account.confirmed.count);
  deniedList_.adopt(std::move(from.denied.chain), account.denied.count);

  if (progress.pulse.state > static_cast<uint64_t>(ForkState::kEnded)) failMemory("a fork's state");
  state_ = static_cast<ForkState>(progress.pulse.state);
  cursor_ = progress.pulse.cursor;
  sentPackets_ = progress.pulse.sentPackets;
  sentBytes_ = progress.sentBytes;
  sentOctets_ = progress.sentOctets;
  sendErrors_ = progress.sendErrors;
  sendingSinceNs_ = progress.pulse.sendingSinceNs;
  lastSentMonotonicNs_ = progress.pulse.lastSentMonotonicNs;
  restoredFlush_ = progress.flush;
  pause_ = progress.pause;
  pace_ = progress.pace;
  heldUntilNs_ = progress.heldUntilNs;
  drops_ = static_cast<uint32_t>(progress.drops);

  sent_.restore(std::move(from.sent.first), progress.sentLast, from.late.items, account.knownFrom);
  replayed_ = std::move(from.replayed.first);
  overrun_ = std::move(from.overrun.first);
  withheld_ = std::move(from.withheld.first);
  judge_.restore(account.judge, std::move(from.confirmed.items), std::move(from.denied.items));
  if (account.hasRefused != 0) refused_ = account.refused;
  if (account.hasUnsendable != 0) unsendable_ = account.unsendable;
  doubtedNs_ = account.evidence.doubtedNs;
  if (account.hasReceiverReport != 0) {
    const ForkReceiverReport& report = account.receiverReport;
    receiverReport_ =
        ReceiverReport{report.atNs,
                       report.highest,
                       report.fractionLost,
                       report.jitterMs,
                       report.hasRoundTrip != 0 ? std::optional(report.roundTripMs) : std::nullopt,
                       report.isFinal != 0};
  }
  receiverReports_ = account.receiverReports;
  hearingReports_ = account.evidence.hearingReports;
  heardNs_ = account.evidence.heardNs;
  sentBeforeReport_ = account.evidence.sentBeforeReport;
  overrunUntold_ = account.overrunUntold;
  overrunToldNs_ = account.overrunToldNs;
  rtcpTimes_ = account.rtcpTimes;
}

void Fork::onSentBefore(ShardContext& context, uint64_t flush, uint64_t index, bool replayed) {
  const Ring& ring = port_.ring();
  if (flush <= restoredFlush_ || index < ring.first() || index >= ring.head()) return;
  onSent(context, ring.at(index), replayed);
  cursor_ = std::max(cursor_, index + 1);
}

void Fork::goOn(ShardContext& context) {
  const Ring& ring = port_.ring();
  cursor_ = std::min(cursor_, ring.head());
  // What left the ring as its predecessor was killed.
  while (cursor_ < ring.first()) onEvict(ring.at(cursor_), cursor_);
  if (state_ == ForkState::kCatchingUp) enterCatchUp(context);
  touchAll();
}

}  // namespace tandem
