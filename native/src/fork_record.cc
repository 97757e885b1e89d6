// A fork as it lies in shared memory.

#include "fork.h"
#include "leg_socket.h"

namespace tandem {

void Fork::touch() {
  if (isTouched_) return;
  isTouched_ = true;
  leg_->touched(*this);
}

void Fork::touchAll() {
  accountHasChanged_ = true;
  touch();
}

ForkProgress Fork::progressRecord(ShardContext& context) {
  ForkProgress record{};
  record.pulse = {cursor_, static_cast<uint64_t>(state_), sentPackets_, sendingSinceNs_,
                  lastSentMonotonicNs_};
  record.sentBytes = sentBytes_;
  record.sentOctets = sentOctets_;
  record.sendErrors = sendErrors_;
  record.flush = leg_->flushNumber();
  record.sent = sentList_.update(context.chunks, sent_.ranges());
  record.sentLast = sent_.last();
  record.pause = pause_;
  record.pace = pace_;
  record.heldUntilNs = heldUntilNs_;
  record.drops = drops_;
  return record;
}

ForkAccount Fork::accountRecord(ShardContext& context) {
  ForkAccount record{};
  record.evidence.hearingReports = hearingReports_;
  record.evidence.heardNs = heardNs_;
  record.evidence.sentBeforeReport = sentBeforeReport_;
  record.evidence.fractionLost = receiverReport_ ? receiverReport_->fractionLost : 0;
  record.evidence.refusedNs = refused_ ? refused_->atNs : 0;
  record.evidence.doubtedNs = doubtedNs_;
  record.evidence.unsendableNs = unsendable_ ? unsendable_->atNs : 0;
  record.evidence.isSettled = rtcpTimes_.isSettled() ? 1 : 0;
  record.rtp = {rtp_, 1};
  record.rtcp = {rtcp_, 1};
  record.replayed = replayedList_.update(context.chunks, replayed_);
  record.overrun = overrunList_.update(context.chunks, overrun_);
  record.withheld = withheldList_.update(context.chunks, withheld_);
  record.late = lateList_.update(context.chunks, sent_.late(), sent_.takeLateUnchanged());
  record.knownFrom = sent_.knownFrom();
  Spans& confirmed = judge_.confirmed();
  Spans& denied = judge_.denied();
  record.confirmed =
      confirmedList_.update(context.chunks, confirmed.list(), confirmed.takeUnchanged());
  record.denied = deniedList_.update(context.chunks, denied.list(), denied.takeUnchanged());
  record.judge = judge_.record();
  record.receiverReports = receiverReports_;
  if (receiverReport_) {
    record.hasReceiverReport = 1;
    record.receiverReport = {receiverReport_->atNs,
                             receiverReport_->highest,
                             receiverReport_->fractionLost,
                             receiverReport_->jitterMs,
                             receiverReport_->roundTripMs.value_or(0),
                             receiverReport_->roundTripMs ? 1u : 0u,
                             receiverReport_->isFinal ? 1u : 0u};
  }
  if (refused_) {
    record.hasRefused = 1;
    record.refused = *refused_;
  }
  if (unsendable_) {
    record.hasUnsendable = 1;
    record.unsendable = *unsendable_;
  }
  record.overrunUntold = overrunUntold_;
  record.overrunToldNs = overrunToldNs_;
  record.rtcpTimes = rtcpTimes_;
  return record;
}

// The account first: a successor that finds it alone adds what is there already, without harm.
void Fork::publish(ShardContext& context) {
  isTouched_ = false;
  const bool accountChanges = std::exchange(accountHasChanged_, false);
  if (accountChanges) lease_->account.publish(accountRecord(context));
  lease_->progress.publish(progressRecord(context));
  const bool hasRetired =
      sentList_.list().hasRetired() ||
      (accountChanges && (replayedList_.list().hasRetired() || overrunList_.list().hasRetired() ||
                          withheldList_.list().hasRetired() || lateList_.hasRetired() ||
                          confirmedList_.hasRetired() || deniedList_.hasRetired()));
  if (!hasRetired) return;
  lease_->moves.add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  sentList_.list().giveRetired(context.chunks);
  replayedList_.list().giveRetired(context.chunks);
  overrunList_.list().giveRetired(context.chunks);
  withheldList_.list().giveRetired(context.chunks);
  lateList_.giveRetired(context.chunks);
  confirmedList_.giveRetired(context.chunks);
  deniedList_.giveRetired(context.chunks);
}

void Fork::giveLists(ShardContext& context) {
  sentList_.list().giveAll(context.chunks);
  replayedList_.list().giveAll(context.chunks);
  overrunList_.list().giveAll(context.chunks);
  withheldList_.list().giveAll(context.chunks);
  lateList_.giveAll(context.chunks);
  confirmedList_.giveAll(context.chunks);
  deniedList_.giveAll(context.chunks);
}

}  // namespace tandem
