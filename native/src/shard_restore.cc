// A thread that goes on where its predecessor was killed: with what lies in shared memory, and with
// what that one had in its hands.

#include <algorithm>

#include "clock.h"
#include "shard.h"
#include "slot_lists.h"

namespace tandem {

namespace {

template <typename Records>
size_t countOf(const Records& records) {
  return std::min<size_t>(records.count.get(), records.items.size());
}

}  // namespace

std::vector<uint32_t> Shard::restore(AdoptedShard& from) {
  std::vector<uint32_t> chunks;
  for (AdoptedLeg& leg : from.legs) {
    addLegSocket(leg.family, leg.streamIndex, std::move(leg.sockets));
    legs_.back().socket->skipDrops();
  }
  watch(relay_.fd(), &relay_.source());
  relay_.skipDrops();
  for (AdoptedPort& port : from.ports) restorePort(port, chunks);
  for (const auto& [id, port] : ports_) restoreRoute(*port);
  const MappedMemory& memory = context_.memory.map();
  for (size_t slot = 0; slot < memory.forksHigh(); ++slot) {
    const uint32_t id = memory.forkId(slot).load();
    if (id != 0 && id % kThreadsMax == index_) restoreFork(id, slot, chunks);
  }
  context_.monotonicNow = monotonicNs();
  takeSentToLegs();
  for (const auto& [id, fork] : forks_) fork->goOn(context_);
  takeLeftBatch();
  for (const auto& [id, port] : ports_) {
    port->touchAll(context_);
    if (port->dirty || port->forks().empty()) continue;
    port->dirty = true;
    context_.dirty.push_back(port.get());
  }
  relay_.flush(context_);
  return chunks;
}

void Shard::giveChunks(const std::vector<uint32_t>& chunks) {
  for (const uint32_t chunk : chunks) context_.chunks.give(chunk);
}

void Shard::restorePort(AdoptedPort& from, std::vector<uint32_t>& chunks) {
  EdgeMemory& memory = context_.memory;
  const PortSlot& slot = memory.map().port(from.slot);
  const auto policy = slot.latchPolicy == static_cast<uint32_t>(LatchPolicy::kAny)
                          ? LatchPolicy::kAny
                          : LatchPolicy::kAnnounced;
  PortLease lease(memory, from.slot);
  std::optional<EdgeError> error;
  attempt(error, [&] {
    auto port = std::make_unique<Port>(from.id, std::move(lease), std::move(from.sockets), policy,
                                       memory.map().ringLimits(), slot.ssrc, slot.egressSsrc);
    port->restore(context_, chunks);
    watch(port->sockets().rtp.fd.get(), &port->rtpSource());
    watch(port->sockets().rtcp.fd.get(), &port->rtcpSource());
    ports_.emplace(from.id, std::move(port));
  });
  if (error) from.failed = error->what();
}

void Shard::restoreRoute(Port& port) {
  const auto settings = context_.memory.map().port(port.slot()).settings.read();
  if (!settings) return;
  PortRoute route;
  route.portId = port.id();
  route.kind = settings->route <= static_cast<uint32_t>(RouteKind::kBypass)
                   ? static_cast<RouteKind>(settings->route)
                   : RouteKind::kNone;
  if (settings->peerId != 0) route.peerPortId = settings->peerId;
  route.to = settings->relay.get();
  route.payloadTypes = settings->payloadTypes;
  const bool needsPeer = route.kind == RouteKind::kDirect || route.kind == RouteKind::kBypass;
  if ((needsPeer && !route.peerPortId) || (route.kind == RouteKind::kRelay && !route.to)) return;
  const auto stall = port.way().stall();
  const HandedOver::Bounds handedOver = port.way().handedOver().bounds();
  // Whose other end is lost leads nowhere.
  std::optional<EdgeError> error;
  attempt(error, [&] { lead(port, route); });
  if (stall && route.kind == RouteKind::kBypass) port.way().restoreStall(*stall);
  if (port.way().leadsThrough()) restoreHandedOver(port, handedOver, *route.peerPortId);
}

void Shard::restoreHandedOver(Port& from, HandedOver::Bounds bounds, uint32_t peerId) {
  const auto egress = context_.memory.map().port(port(peerId).slot()).egress.read();
  if (egress && egress->handedOverBy == from.id())
    bounds.first = std::max(bounds.first, egress->handedOverFirst);
  from.way().handedOver().restore(bounds);
}

void Shard::restoreFork(uint32_t id, size_t slot, std::vector<uint32_t>& chunks) {
  EdgeMemory& memory = context_.memory;
  ForkLease lease(memory, slot);
  std::optional<EdgeError> error;
  attempt(error, [&] {
    const ForkSlot& from = *lease;
    const auto account = from.account.read();
    const auto rtp = account ? account->rtp.get() : std::nullopt;
    const auto rtcp = account ? account->rtcp.get() : std::nullopt;
    if (!rtp || !rtcp || from.keptOutCount > kKeptOutMax) failMemory("a fork");
    Port& source = port(from.portId);
    LegSocket& leg = *legFor(rtp->family(), from.streamIndex).socket;
    const auto keptOut = lease.keptOut().begin();
    auto fork = std::make_unique<Fork>(
        id, std::move(lease), source, from.streamIndex, leg, *rtp, *rtcp,
        std::vector<KeptOut>(keptOut, keptOut + static_cast<std::ptrdiff_t>(from.keptOutCount)));
    fork->restore(context_, chunks);
    leg.enroll(*fork);
    source.forks().push_back(fork.get());
    forks_.emplace(id, std::move(fork));
  });
}

void Shard::takeSentToLegs() {
  for (size_t number = 0; number < legs_.size(); ++number) {
    LegSendRecord& record = context_.record.legs[number];
    for (size_t i = 0; i < countOf(record); ++i) {
      const LegSendRecord::Item& item = record.items[i];
      const auto found = forks_.find(item.forkId);
      if (record.messages[i].msg_len == 0 || found == forks_.end()) continue;
      if (&found->second->leg() != legs_[number].socket.get()) continue;
      found->second->onSentBefore(context_, record.flush, item.index, item.replayed != 0);
    }
    record.count.set(0);
  }
}

void Shard::takeLeftBatch() {
  std::vector<RelaySendRecord::Item> unsent;
  RelaySendRecord& relayed = context_.record.relay;
  for (size_t i = 0; i < countOf(relayed); ++i) {
    const bool wasSent = relayed.messages[i].msg_len > 0;
    (wasSent ? relay_.sentBefore() : unsent).push_back(relayed.items[i]);
  }
  relayed.count.set(0);
  for (const RelaySendRecord::Item& item : unsent) {
    const auto found = ports_.find(item.portId);
    if (found != ports_.end()) found->second->relayAgain(context_, item.index);
  }
  ReceiveBatch& batch = context_.batch;
  const PartySendRecord& party = context_.record.party;
  for (size_t i = 0; party.batch == batch.number() && i < kReceiveBatch; ++i) {
    if (i >= party.count.get()) break;
    if (party.messages[i].msg_len > 0 && party.datagrams[i] < kReceiveBatch)
      batch.sentOn(party.datagrams[i]);
  }
  context_.isReplay = true;
  const uint64_t owner = batch.left();
  const uint64_t slot = owner >> 8;
  switch (static_cast<SocketKind>(owner & 0xff)) {
    case SocketKind::kPortRtp:
      for (const auto& [id, port] : ports_) {
        if (port->slot() == slot) port->takeLeft(context_);
      }
      break;
    case SocketKind::kRelay:
      relay_.takeLeft(context_);
      break;
    case SocketKind::kLegRtp:
    case SocketKind::kLegRtcp:
      if (slot < legs_.size()) legs_[slot].socket->takeLeft(context_);
      break;
    // A report more or less of a party's says the same with the next.
    default:
      break;
  }
  batch.done();
  context_.isReplay = false;
  relay_.sentBefore().clear();
}

}  // namespace tandem
