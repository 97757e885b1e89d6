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

Port::Port(uint32_t id, PortLease lease, UdpPair sockets, LatchPolicy latch, const RingLimits& ring,
           uint32_t ssrc, uint32_t egressSsrc)
    : id_(id),
      lease_(std::move(lease)),
      ssrc_(ssrc),
      egressSsrc_(egressSsrc),
      sockets_(std::move(sockets)),
      source_(latch),
      ring_(ring, lease_.ring(), [this](const uint8_t* from, size_t bytes) {
        return lease_.memory().mayUse(from, bytes);
      }) {
  lease_->ssrc = ssrc_;
  lease_->egressSsrc = egressSsrc_;
  lease_->latchPolicy = static_cast<uint32_t>(latch);
  lease_->rtp = {sockets_.rtp.local, 1};
  lease_->rtcp = {sockets_.rtcp.local, 1};
}

Port::~Port() {
  // Most never use it: it is not touched then, either.
  if (egress_.started()) lease_.egressRecent().fill({});
}

void Port::setRemote(ShardContext& context, const PortRemote& remote) {
  source_.announce(remote.rtp, remote.rtcp);
  send_ = remote.send;
  clockRates_ = remote.clockRates;
  hasRemote_ = true;
  touchAll(context);
}

void Port::routeNowhere(ShardContext& context) {
  if (leadsTo_ != nullptr) std::erase(leadsTo_->ledHere_, this);
  leadsTo_ = nullptr;
  peer_ = nullptr;
  way_.leadNowhere(context);
  touchAll(context);
}

void Port::routeDirect(ShardContext& context, Port& peer) {
  peer_ = &peer;
  linkTo(peer);
  touchAll(context);
}

void Port::routeThrough(ShardContext& context, const Address& relay, Port* peer,
                        const std::bitset<128>& payloadTypes) {
  way_.leadThrough(context, relay, peer, payloadTypes);
  touchAll(context);
  if (peer != nullptr) linkTo(*peer);
}

void Port::routeAround(ShardContext& context, Port& peer) {
  way_.leadAround(context, peer);
  linkTo(peer);
  touchAll(context);
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
  const size_t count = context.batch.receive(
      sockets_.rtp.fd.get(), rtpReads_, BatchRecord::ownerOf(SocketKind::kPortRtp, lease_.slot()));
  countDrops(context, rtpReads_.drops - dropsBefore);
  if (count > 0) takeBatch(context, count);
  context.batch.done();
  return count;
}

void Port::takeBatch(ShardContext& context, size_t count) {
  Taken taken;
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    dropsUntold_ += datagram.droppedBefore;
    if (looksLikeRtcp(datagram.data, datagram.size)) {
      acceptRtcp(context, datagram, true);
      continue;
    }
    // Whether another source may go on with the stream depends on how far the stream has come.
    if (taken.count > 0 && *datagram.from != *context.batch[taken.indexes[0]].from)
      passOn(context, taken);
    if (!acceptRtp(context, datagram, taken.headers[taken.count])) continue;
    datagram.droppedBefore = std::exchange(dropsUntold_, 0);
    taken.indexes[taken.count++] = static_cast<uint8_t>(i);
  }
  passOn(context, taken);
  context.publishEgress();
  stage(context);
  touch(context);
}

void Port::passOn(ShardContext& context, Taken& taken) {
  // The call comes first: nothing of the recording stands before this.
  if (peer_ != nullptr && taken.count > 0) {
    std::array<OutgoingPacket, kReceiveBatch> toPeer;
    size_t count = 0;
    for (size_t i = 0; i < taken.count; ++i) {
      const Datagram& datagram = context.batch[taken.indexes[i]];
      // By a predecessor.
      if (context.batch.wasSentOn(datagram.index)) continue;
      toPeer[count++] = {{{{datagram.data, datagram.size}, {}}}, 1, datagram.index};
    }
    if (count > 0) peer_->sendRtp(context, toPeer.data(), count);
  }
  for (size_t i = 0; i < taken.count; ++i)
    store(context, context.batch[taken.indexes[i]], taken.headers[i]);
  taken.count = 0;
}

void Port::relayAgain(ShardContext& context, uint64_t index) {
  if (index >= ring_.first() && index < ring_.head())
    way_.relayAgain(context, index, ring_.at(index).headerBytes);
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
      source_.checkRtp(*datagram.from, ingress_.kinshipOf(header), datagram.arrivalNs);
  if (verdict.refusal != Refusal::kNone) {
    refuse(context, verdict.refusal);
    return false;
  }
  if (verdict.change != Latch::Change::kNone) accountHasChanged_ = true;
  if (verdict.change == Latch::Change::kLatched) {
    context.events.emit({.type = Event::Type::kLatched, .id = id_, .address = *datagram.from});
  } else if (verdict.change == Latch::Change::kMoved &&
             mayTell(lastMoveToldNs_, datagram.arrivalNs)) {
    context.events.emit({.type = Event::Type::kMoved, .id = id_, .address = *datagram.from});
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
  const uint64_t index = ring_.head();
  uint8_t* packet = ring_.push(entry, [&](const Ring::Entry& evicted, uint64_t from) {
    lease_->ringFloor.set(from + 1);
    for (Fork* fork : forks_) fork->onEvict(evicted, from);
  });
  memcpy(packet, datagram.data, datagram.size);
  write16(packet + 2, out.sequence);
  write32(packet + 4, out.timestamp);
  write32(packet + 8, ssrc_);
  if (account_.add(out.extended, datagram.arrivalNs, datagram.droppedBefore))
    accountHasChanged_ = true;

  if (way_.leads()) way_.carryRtp(context, index, packet, header, datagram);
  if (!dirty) {
    dirty = true;
    context.dirty.push_back(this);
  }
}

void Port::noteChange(ShardContext& context, const SsrcChange& change) {
  account_.addChange(change);
  accountHasChanged_ = true;
  if (!mayTell(lastChangeToldNs_, change.atNs)) return;
  context.events.emit({.type = Event::Type::kSsrcChanged,
                       .id = id_,
                       .address = {},
                       .from = change.from,
                       .to = change.to});
}

void Port::fromRelay(ShardContext& context, Datagram& datagram) {
  if (context.isReplay && egressBatch_ == context.batch.number()) return;
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
  // mediasoup adds header extensions that the party's SDP knows nothing of. The datagram itself
  // stays as it is: a successor may have to look at it once more.
  std::array<uint8_t, kRtpHeadBytesMax> head;
  const size_t headBytes = copyWithoutExtension(datagram.data, head.data());
  write16(head.data() + 2, out.sequence);
  write32(head.data() + 4, out.timestamp);
  write32(head.data() + 8, egressSsrc_);
  OutgoingPacket packet{
      {{{head.data(), headBytes},
        {datagram.data + header.headerBytes, datagram.size - header.headerBytes}}},
      2,
      datagram.index};
  if (!context.batch.wasSentOn(datagram.index)) sendRtp(context, &packet, 1);
  if (egressHasChanged_) return;
  egressHasChanged_ = true;
  context.egressTouched.push_back(this);
}

void Port::sendRtp(ShardContext& context, OutgoingPacket* packets, size_t count) {
  if (!hasRemote_ || !send_) return;
  if (const auto to = source_.rtpDestination())
    toParty_.sendRtp(context, sockets_.rtp.fd.get(), *to, packets, count);
}

void Port::refuse(ShardContext& context, Refusal reason) {
  lease_->refused[static_cast<size_t>(reason)].add(1);
  context.countRefusal(reason);
}

void Port::countDrops(ShardContext& context, uint32_t drops) {
  if (drops == 0) return;
  account_.addDrops(drops);
  context.counters.kernelDrops += drops;
  isStaged_ = false;
  touch(context);
}

PortInventory Port::inventory() const {
  PortInventory item{id_, sockets_.rtp.local, sockets_.rtcp.local, ssrc_, {}, route()};
  if (hasRemote_)
    item.remote = PortRemote{*source_.announcedRtp(), *source_.announcedRtcp(), send_, clockRates_};
  return item;
}

}  // namespace tandem
