#include "relay_way.h"

#include <array>

#include "bytes.h"
#include "port.h"
#include "relay.h"

namespace tandem {

void RelayWay::leadNowhere(ShardContext& context) {
  if (to_) context.relay->unregister(*to_);
  context.relay->unsuspect(own_);
  to_.reset();
  peer_ = nullptr;
  around_ = false;
  payloadTypes_.reset();
  watch_.reset();
  handedOver_.clear();
  stall_.reset();
}

void RelayWay::leadThrough(ShardContext& context, const Address& to, Port* peer,
                           const std::bitset<128>& payloadTypes) {
  leadNowhere(context);
  context.relay->enroll(to, own_);
  to_ = to;
  peer_ = peer;
  payloadTypes_ = payloadTypes;
  if (peer != nullptr) watch_.emplace(payloadTypes);
}

void RelayWay::leadAround(ShardContext& context, Port& peer) {
  leadNowhere(context);
  peer_ = &peer;
  around_ = true;
}

void RelayWay::turnAround(ShardContext& context) {
  const HandedOver::Bounds left = handedOver_.bounds();
  leadAround(context, *peer_);
  const Ring& ring = own_.ring();
  std::array<uint8_t, kDatagramMax> copy;
  for (uint64_t number = left.first; number < left.end; ++number) {
    const uint64_t index = handedOver_.at(number).index;
    if (index < ring.first() || index >= ring.head()) continue;
    const Ring::Entry& entry = ring.at(index);
    memcpy(copy.data(), ring.data(entry), entry.size);
    Datagram datagram{};
    datagram.data = copy.data();
    datagram.size = entry.size;
    datagram.index = kNoDatagram;
    datagram.arrivalNs = entry.arrivalNs;
    peer_->fromRelay(context, datagram);
  }
  own_.touchAll(context);
}

void RelayWay::goAround(ShardContext& context, const RelayStall& stall) {
  turnAround(context);
  stall_ = stall;
}

PortRoute RelayWay::route() const {
  PortRoute route;
  if (around_) route.kind = PortRoute::Kind::kBypass;
  if (to_) route.kind = PortRoute::Kind::kRelay;
  route.to = to_;
  route.payloadTypes = payloadTypes_;
  return route;
}

void RelayWay::carryRtp(ShardContext& context, uint64_t index, const uint8_t* packet,
                        const RtpHeader& header, const Datagram& datagram) {
  if (around_) {
    Datagram changed = datagram;
    changed.data = const_cast<uint8_t*>(packet);
    peer_->fromRelay(context, changed);
    return;
  }
  if (!to_) return;
  context.relay->queue(context, own_, index, header, *to_);
  if (!watch_) return;
  const Unforwarded reason = watch_->classify(header, read16(packet + 2));
  if (reason != Unforwarded::kNone) {
    slot_.unforwarded[static_cast<size_t>(reason)].add(1);
    context.counters.unforwarded.add(reason);
    return;
  }
  watch_->handedOver(context.monotonicNow);
  handedOver_.add({index, read32(packet + 4), header.digest});
  if (watch_->silent()) context.relay->suspect(own_);
}

void RelayWay::carryRtcp(ShardContext& context, const Datagram& datagram, size_t size) {
  if (around_) {
    Datagram changed = datagram;
    changed.size = size;
    peer_->fromRelay(context, changed);
  } else if (to_) {
    context.relay->send(context, datagram.data, size, *to_);
  }
}

void RelayWay::cameBack(const RtpHeader& header) {
  if (peer_ == nullptr || !peer_->way().watch_) return;
  peer_->way().watch_->cameBack();
  peer_->way().handedOver_.cameBack(header.timestamp, header.digest);
}

void RelayWay::relayAgain(ShardContext& context, uint64_t index, uint16_t headerBytes) {
  if (!to_) return;
  RtpHeader header;
  header.headerBytes = headerBytes;
  context.relay->queue(context, own_, index, header, *to_);
}

void RelayWay::judge(ShardContext& context) {
  if (!watch_ || !watch_->silent()) return;
  const int64_t atNs = nowNs();
  const RelayStall stall{atNs - (context.monotonicNow - watch_->sinceNs()), atNs};
  // Both at once: the other party's packets meet the same silence.
  Port& peer = *peer_;
  goAround(context, stall);
  if (peer.way().to_ && peer.way().peer_ == &own_) peer.way().goAround(context, stall);
  context.events.emit(
      {.type = Event::Type::kRelaySilent, .id = own_.id(), .address = {}, .atNs = atNs});
}

void RelayWay::record(PortSettings& settings) const {
  if (!leads()) return;
  settings.route = static_cast<uint32_t>(around_ ? RouteKind::kBypass : RouteKind::kRelay);
  settings.peerId = peer_ == nullptr ? 0 : peer_->id();
  settings.relay = SharedAddress::of(to_);
  settings.payloadTypes = payloadTypes_;
}

void RelayWay::record(PortEgress& egress) const {
  if (peer_ == nullptr) return;
  egress.handedOverBy = peer_->id();
  egress.handedOverFirst = peer_->way().handedOver_.bounds().first;
}

}  // namespace tandem
