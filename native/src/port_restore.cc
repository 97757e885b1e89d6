// A port as its predecessor left it in shared memory.

#include "fork.h"
#include "port.h"
#include "slot_lists.h"

namespace tandem {

void Port::restore(ShardContext& context, std::vector<uint32_t>& chunks) {
  const MappedMemory& memory = context.memory.map();
  PortContents from = readPort(memory, lease_.slot(), true);
  const PortIngress& ingress = from.ingress;
  // What had left the ring by then may have been written over.
  const uint64_t first = std::max(ingress.ringFirst, lease_->ringFloor.get());
  ring_.restore(std::min(first, ingress.ringHead), ingress.ringHead);
  for (const auto* chain : {&from.received.second, &from.dropped.second, &from.changes.chain})
    chunks.insert(chunks.end(), chain->begin(), chain->end());
  receivedList_.list().adopt(std::move(from.received.second), ingress.received.list.count);
  droppedList_.list().adopt(std::move(from.dropped.second), from.account.dropped.list.count);
  changesList_.adopt(std::move(from.changes.chain), from.account.changes.count);
  account_.restore(ingress, from.account.changeCount, std::move(from.received.first),
                   std::move(from.dropped.first), from.changes.items);
  ingress_.restore(ingress.normaliser);
  stagedBatch_ = ingress.batch;
  if (const auto egress = lease_->egress.read()) {
    egress_.restore(egress->normaliser);
    egressBatch_ = egress->batch;
  }
  rtpReads_ = ingress.rtpReads;
  rtcpReads_ = from.account.rtcpReads;
  dropsUntold_ = static_cast<uint32_t>(ingress.dropsUntold);
  source_ = from.account.source;
  source_.heardRtp(ingress.lastNs);
  lastMoveToldNs_ = from.account.lastMoveToldNs;
  lastChangeToldNs_ = from.account.lastChangeToldNs;
  way_.handedOver().restore(ingress.handedOver);
  if (from.account.hasStall != 0) way_.restoreStall(from.account.stall);
  if (const auto settings = lease_->settings.read()) {
    hasRemote_ = settings->hasRemote != 0;
    send_ = settings->send != 0;
    clockRates_ = settings->clockRates;
  }
}

void Port::takeLeft(ShardContext& context) {
  if (stagedBatch_ == context.batch.number()) return;
  const uint32_t dropsBefore = rtpReads_.drops;
  const size_t count = context.batch.receiveLeft(rtpReads_);
  countDrops(context, rtpReads_.drops - dropsBefore);
  takeBatch(context, count);
}

}  // namespace tandem
