#include "port.h"

#include <algorithm>
#include <array>

#include "fork.h"

namespace tandem {

namespace {

/** Between two events of one kind from one port: a source that flaps must not flood the queue. */
constexpr int64_t kTellAgainNs = 100 * kNsPerMs;

bool mayTell(int64_t& lastNs, int64_t atNs) {
  if (lastNs != 0 && atNs - lastNs < kTellAgainNs) return false;
  lastNs = atNs;
  return true;
}

}  // namespace

Port::Port(uint32_t id, UdpPair sockets, LatchPolicy latch, const RingLimits& ring, uint32_t ssrc,
           uint32_t egressSsrc)
    : id_(id),
      ssrc_(ssrc),
      egressSsrc_(egressSsrc),
      sockets_(std::move(sockets)),
      source_(latch),
      ring_(ring) {}

void Port::setRemote(const PortRemote& remote) {
  source_.announce(remote.rtp, remote.rtcp);
  send_ = remote.send;
  clockRates_ = remote.clockRates;
  hasRemote_ = true;
}

void Port::routeNowhere(ShardContext& context) {
  if (leadsTo_ != nullptr) std::erase(leadsTo_->ledHere_, this);
  leadsTo_ = nullptr;
  peer_ = nullptr;
  way_.leadNowhere(context);
}

void Port::routeDirect(Port& peer) {
  peer_ = &peer;
  linkTo(peer);
}

void Port::routeThrough(ShardContext& context, const Address& relay, Port* peer,
                        const std::bitset<128>& payloadTypes) {
  way_.leadThrough(context, relay, peer, payloadTypes);
  if (peer != nullptr) linkTo(*peer);
}

void Port::routeAround(ShardContext& context, Port& peer) {
  way_.leadAround(context, peer);
  linkTo(peer);
}

bool Port::turnAround(ShardContext& context, const Port& peer) {
  if (leadsTo_ != &peer || !way_.leadsThrough()) return false;
  way_.turnAround(context);
  return true;
}

PortRoute Port::route() const {
  PortRoute route = way_.route();
  route.portId = id_;
  if (peer_ != nullptr) route.kind = PortRoute::Kind::kDirect;
  if (leadsTo_ != nullptr) route.peerPortId = leadsTo_->id();
  return route;
}

void Port::linkTo(Port& peer) {
  leadsTo_ = &peer;
  peer.ledHere_.push_back(this);
}

void Port::leave(ShardContext& context) {
  routeNowhere(context);
  while (!ledHere_.empty()) ledHere_.back()->routeNowhere(context);
}

size_t Port::receiveRtp(ShardContext& context) {
  const uint32_t dropsBefore = rtpReads_.drops;
  const size_t count = context.batch.receive(sockets_.rtp.fd.get(), rtpReads_);
  countDrops(context, rtpReads_.drops - dropsBefore);
  Taken taken;
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    dropsUntold_ += datagram.droppedBefore;
    if (looksLikeRtcp(datagram.data, datagram.size)) {
      acceptRtcp(context, datagram, true);
      continue;
    }
    // Whether another source may go on with the stream depends on how far the stream has come.
    if (taken.count > 0 && datagram.from != context.batch[taken.indexes[0]].from)
      passOn(context, taken);
    if (!acceptRtp(context, datagram, taken.headers[taken.count])) continue;
    datagram.droppedBefore = std::exchange(dropsUntold_, 0);
    taken.indexes[taken.count++] = static_cast<uint8_t>(i);
  }
  passOn(context, taken);
  return count;
}

void Port::passOn(ShardContext& context, Taken& taken) {
  // The call comes first: nothing of the recording stands before this.
  if (peer_ != nullptr && taken.count > 0) {
    std::array<iovec, kReceiveBatch> toPeer;
    for (size_t i = 0; i < taken.count; ++i) {
      const Datagram& datagram = context.batch[taken.indexes[i]];
      toPeer[i] = {datagram.data, datagram.size};
    }
    peer_->sendRtp(context, toPeer.data(), taken.count);
  }
  for (size_t i = 0; i < taken.count; ++i)
    store(context, context.batch[taken.indexes[i]], taken.headers[i]);
  taken.count = 0;
}

void Port::drain(ShardContext& context) {
  for (size_t i = 0; i < kDrainMax && receiveRtp(context) == kReceiveBatch; ++i) {
  }
  // What was dropped last no datagram tells of.
  countDrops(context, dropsOf(sockets_.rtp.fd.get()) - rtpReads_.drops);
}

bool Port::acceptRtp(ShardContext& context, const Datagram& datagram, RtpHeader& header) {
  const Refusal malformed =
      datagram.truncated ? Refusal::kOversize : parseRtp(datagram.data, datagram.size, header);
  if (malformed != Refusal::kNone) {
    refuse(context, malformed);
    return false;
  }
  const Latch::Verdict verdict =
      source_.checkRtp(datagram.from, ingress_.kinshipOf(header), datagram.arrivalNs);
  if (verdict.refusal != Refusal::kNone) {
    refuse(context, verdict.refusal);
    return false;
  }
  if (verdict.change == Latch::Change::kLatched) {
    context.events.emit({.type = Event::Type::kLatched, .id = id_, .address = datagram.from});
  } else if (verdict.change == Latch::Change::kMoved &&
             mayTell(lastMoveToldNs_, datagram.arrivalNs)) {
    context.events.emit({.type = Event::Type::kMoved, .id = id_, .address = datagram.from});
  }
  account_.accept(datagram.size);
  ++context.counters.packetsIn;
  context.counters.bytesIn += datagram.size;
  return true;
}

void Port::store(ShardContext& context, const Datagram& datagram, const RtpHeader& header) {
  const Normaliser::Output out = ingress_.process(header, datagram.arrivalNs, clockRates_);
  if (out.changedFrom)
    noteChange(context, {datagram.arrivalNs, *out.changedFrom, header.ssrc, out.extended});

  const Ring::Entry entry{datagram.arrivalNs, out.extended, 0, static_cast<uint16_t>(datagram.size),
                          header.headerBytes};
  uint8_t* packet = ring_.push(entry, [this](const Ring::Entry& evicted, uint64_t index) {
    for (Fork* fork : forks_) fork->onEvict(evicted, index);
  });
  memcpy(packet, datagram.data, datagram.size);
  write16(packet + 2, out.sequence);
  write32(packet + 4, out.timestamp);
  write32(packet + 8, ssrc_);
  account_.add(out.extended, datagram.arrivalNs, datagram.droppedBefore);

  if (way_.leads()) way_.carryRtp(context, ring_.head() - 1, packet, header, datagram);
  if (!dirty) {
    dirty = true;
    context.dirty.push_back(this);
  }
}

void Port::noteChange(ShardContext& context, const SsrcChange& change) {
  account_.addChange(change);
  if (!mayTell(lastChangeToldNs_, change.atNs)) return;
  context.events.emit({.type = Event::Type::kSsrcChanged,
                       .id = id_,
                       .address = {},
                       .from = change.from,
                       .to = change.to});
}

void Port::fromRelay(ShardContext& context, Datagram& datagram) {
  if (looksLikeRtcp(datagram.data, datagram.size)) {
    rtcpFromRelay(context, datagram);
    return;
  }
  RtpHeader header;
  const Refusal malformed = parseRtp(datagram.data, datagram.size, header);
  if (malformed != Refusal::kNone) {
    context.countRefusal(malformed);
    return;
  }
  way_.cameBack(header);
  const Normaliser::Output out = egress_.process(header, datagram.arrivalNs, clockRates_);
  // mediasoup adds header extensions that the party's SDP knows nothing of.
  const size_t extension = dropExtension(datagram.data, header);
  uint8_t* data = datagram.data + extension;
  write16(data + 2, out.sequence);
  write32(data + 4, out.timestamp);
  write32(data + 8, egressSsrc_);
  const iovec packet{data, datagram.size - extension};
  sendRtp(context, &packet, 1);
}

void Port::sendRtp(ShardContext& context, const iovec* packets, size_t count) {
  if (!hasRemote_ || !send_) return;
  if (const auto to = source_.rtpDestination())
    toParty_.sendRtp(context, sockets_.rtp.fd.get(), *to, packets, count);
}

void Port::refuse(ShardContext& context, Refusal reason) {
  account_.refuse(reason);
  context.countRefusal(reason);
}

void Port::countDrops(ShardContext& context, uint32_t drops) {
  account_.addDrops(drops);
  context.counters.kernelDrops += drops;
}

StreamReport Port::report() const {
  StreamReport report;
  report.ssrc = ssrc_;
  if (ingress_.started()) {
    report.sourceSsrc = ingress_.sourceSsrc();
    report.lastPayloadType = ingress_.payloadType();
  }
  report.latched = source_.latched();
  report.packetMs = ingress_.packetMs();
  report.unforwarded = way_.unforwarded();
  account_.report(report);
  toParty_.report(report);
  if (!ring_.empty()) report.ringFirst = ring_.at(ring_.first()).extended;
  return report;
}

PortInventory Port::inventory() const {
  PortInventory item{id_, sockets_.rtp.local, sockets_.rtcp.local, ssrc_, {}, route()};
  if (hasRemote_)
    item.remote = PortRemote{*source_.announcedRtp(), *source_.announcedRtcp(), send_, clockRates_};
  return item;
}

std::optional<uint64_t> Port::sequenceAt(int64_t atNs) const {
  if (!ingress_.started()) return std::nullopt;
  const uint64_t index = ring_.since(atNs);
  return index < ring_.head() ? ring_.at(index).extended : ingress_.highest() + 1;
}

}  // namespace tandem
