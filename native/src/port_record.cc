// A port as it lies in shared memory.

#include "fork.h"
#include "port.h"

namespace tandem {

void Port::touch(ShardContext& context) {
  if (isTouched_) return;
  isTouched_ = true;
  context.touched.push_back(this);
}

void Port::touchAll(ShardContext& context) {
  accountHasChanged_ = true;
  settingsHaveChanged_ = true;
  isStaged_ = false;
  touch(context);
}

PortIngress Port::ingressRecord(const ShardContext& context) {
  PortIngress record{};
  record.batch = context.batch.number();
  account_.record(record);
  record.ringFirst = ring_.first();
  record.ringHead = ring_.head();
  if (!ring_.empty()) record.ringFirstNumber = ring_.at(ring_.first()).extended;
  if (ingress_.started()) {
    record.started = 1;
    record.sourceSsrc = ingress_.sourceSsrc();
    record.payloadType = ingress_.payloadType();
    record.highest = ingress_.highest();
  }
  record.packetMs = ingress_.packetMs();
  record.rtpReads = rtpReads_;
  record.dropsUntold = dropsUntold_;
  record.handedOver = way_.handedOver().bounds();
  record.normaliser = ingress_.state();
  return record;
}

PortAccount Port::accountRecord(ShardContext& context) {
  PortAccount record{};
  record.dropped = droppedList_.update(context.chunks, account_.dropped());
  record.changes =
      changesList_.update(context.chunks, account_.changes(), account_.takeChangesUnchanged());
  record.changeCount = account_.changeCount();
  record.latched = SharedAddress::of(source_.latched());
  if (way_.stall()) {
    record.hasStall = 1;
    record.stall = *way_.stall();
  }
  record.rtcpReads = rtcpReads_;
  record.lastMoveToldNs = lastMoveToldNs_;
  record.lastChangeToldNs = lastChangeToldNs_;
  record.source = source_;
  return record;
}

PortSettings Port::settingsRecord() const {
  PortSettings record{};
  record.hasRemote = hasRemote_ ? 1 : 0;
  record.send = send_ ? 1 : 0;
  record.clockRates = clockRates_;
  if (peer_ != nullptr) {
    record.route = static_cast<uint32_t>(RouteKind::kDirect);
    record.peerId = peer_->id();
  } else {
    way_.record(record);
  }
  return record;
}

// What comes first is done again by a successor that finds it alone, without harm.
void Port::stage(ShardContext& context) {
  if (settingsHaveChanged_) lease_->settings.publish(settingsRecord());
  if (accountHasChanged_) lease_->account.publish(accountRecord(context));
  settingsHaveChanged_ = false;
  accountHasChanged_ = false;
  PortIngress record = ingressRecord(context);
  record.received = receivedList_.update(context.chunks, account_.received());
  lease_->ingress.stage(record);
  isStaged_ = true;
}

void Port::publishEgress(ShardContext& context) {
  egressHasChanged_ = false;
  PortEgress record{};
  record.batch = context.batch.number();
  record.normaliser = egress_.state();
  way_.record(record);
  lease_->egress.publish(record);
}

void Port::show(ShardContext& context) {
  isTouched_ = false;
  if (!isStaged_) stage(context);
  lease_->ingress.show();
  if (!receivedList_.list().hasRetired() && !droppedList_.list().hasRetired() &&
      !changesList_.hasRetired())
    return;
  lease_->moves.add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  receivedList_.list().giveRetired(context.chunks);
  droppedList_.list().giveRetired(context.chunks);
  changesList_.giveRetired(context.chunks);
}

void Port::giveLists(ShardContext& context) {
  receivedList_.list().giveAll(context.chunks);
  droppedList_.list().giveAll(context.chunks);
  changesList_.giveAll(context.chunks);
}

}  // namespace tandem
