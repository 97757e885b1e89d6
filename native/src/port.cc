#include "port.h"

#include <algorithm>

#include "fork.h"
#include "relay.h"
#include "rtcp.h"
#include "rtcp_rewrite.h"

namespace tandem {

namespace {

/** Between two events of one kind from one port: a source that flaps must not flood the queue. */
constexpr int64_t kTellAgainNs = 100 * kNsPerMs;

}  // namespace

Port::Port(uint32_t id, UdpPair sockets, LatchPolicy latch, const RingLimits& ring, uint32_t ssrc,
           uint32_t egressSsrc)
    : id_(id),
      ssrc_(ssrc),
      egressSsrc_(egressSsrc),
      sockets_(std::move(sockets)),
      latch_(latch),
      rtcpLatch_(latch),
      ring_(ring) {}

void Port::setRemote(const PortRemote& remote) {
  latch_.announce(remote.rtp);
  rtcpLatch_.announce(remote.rtcp);
  muxed_ = remote.rtp == remote.rtcp;
  send_ = remote.send;
  clockRates_ = remote.clockRates;
  hasRemote_ = true;
}

void Port::routeNowhere(ShardContext& context) {
  peer_ = nullptr;
  way_.leadNowhere(context);
}

void Port::routeDirect(ShardContext& context, Port& peer) {
  routeNowhere(context);
  peer_ = &peer;
}

size_t Port::receiveRtp(ShardContext& context) {
  const uint32_t dropsBefore = rtpReads_.drops;
  const size_t count = context.batch.receive(sockets_.rtp.fd.get(), rtpReads_);
  countDrops(context, rtpReads_.drops - dropsBefore);
  std::array<RtpHeader, kReceiveBatch> headers;
  std::array<uint8_t, kReceiveBatch> accepted;
  std::array<iovec, kReceiveBatch> toPeer;
  size_t taken = 0;
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    if (looksLikeRtcp(datagram.data, datagram.size)) {
      acceptRtcp(context, datagram, true);
    } else if (acceptRtp(context, datagram, headers[taken])) {
      toPeer[taken] = {datagram.data, datagram.size};
      accepted[taken++] = static_cast<uint8_t>(i);
    }
  }
  // The call comes first: nothing of the recording stands before this.
  if (peer_ != nullptr && taken > 0) peer_->sendRtp(context, toPeer.data(), taken);
  for (size_t i = 0; i < taken; ++i) store(context, context.batch[accepted[i]], headers[i]);
  return count;
}

void Port::drain(ShardContext& context) {
  for (size_t i = 0; i < kDrainMax && receiveRtp(context) == kReceiveBatch; ++i) {
  }
}

bool Port::acceptRtp(ShardContext& context, const Datagram& datagram, RtpHeader& header) {
  const Refusal malformed =
      datagram.truncated ? Refusal::kOversize : parseRtp(datagram.data, datagram.size, header);
  if (malformed != Refusal::kNone) {
    refuse(context, malformed);
    return false;
  }
  const bool sameStream = ingress_.started() && ingress_.sourceSsrc() == header.ssrc;
  const Latch::Verdict verdict = latch_.check(datagram.from, sameStream, datagram.arrivalNs);
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
  ++packets_;
  bytes_ += datagram.size;
  ++context.counters.packetsIn;
  context.counters.bytesIn += datagram.size;
  return true;
}

void Port::store(ShardContext& context, const Datagram& datagram, const RtpHeader& header) {
  const Normaliser::Output out = ingress_.process(header, datagram.arrivalNs, clockRates_);
  if (out.changedFrom)
    noteChange(context, *out.changedFrom, header, out.extended, datagram.arrivalNs);

  const Ring::Entry entry{datagram.arrivalNs, out.extended, 0, static_cast<uint16_t>(datagram.size),
                          header.headerBytes};
  uint8_t* packet = ring_.push(entry, [this](const Ring::Entry& evicted, uint64_t index) {
    for (Fork* fork : forks_) fork->onEvict(evicted, index);
  });
  memcpy(packet, datagram.data, datagram.size);
  write16(packet + 2, out.sequence);
  write32(packet + 4, out.timestamp);
  write32(packet + 8, ssrc_);

  const bool behind = !received_.list().empty() && out.extended < received_.list().back().last;
  if (!received_.add(out.extended, datagram.arrivalNs)) {
    ++duplicates_;
  } else if (behind) {
    ++reordered_;
  }
  if (way_.leads()) way_.carryRtp(context, packet, header, datagram);
  if (!dirty) {
    dirty = true;
    context.dirty.push_back(this);
  }
}

void Port::noteChange(ShardContext& context, uint32_t from, const RtpHeader& header,
                      uint64_t extended, int64_t atNs) {
  ++changeCount_;
  changes_.push_back({atNs, from, header.ssrc, extended});
  if (changes_.size() > kSsrcChangesMax) changes_.pop_front();
  if (!mayTell(lastChangeToldNs_, atNs)) return;
  context.events.emit({.type = Event::Type::kSsrcChanged,
                       .id = id_,
                       .address = {},
                       .from = from,
                       .to = header.ssrc});
}

void Port::onRtcpReady(ShardContext& context) {
  const uint32_t dropsBefore = rtcpReads_.drops;
  const size_t count = context.batch.receive(sockets_.rtcp.fd.get(), rtcpReads_);
  countDrops(context, rtcpReads_.drops - dropsBefore);
  for (size_t i = 0; i < count; ++i) acceptRtcp(context, context.batch[i], false);
}

void Port::acceptRtcp(ShardContext& context, Datagram& datagram, bool muxed) {
  if (datagram.truncated || !isRtcp(datagram.data, datagram.size)) {
    refuse(context, Refusal::kMalformedRtcp);
    return;
  }
  const uint32_t sender = datagram.size >= 8 ? read32(datagram.data + 4) : 0;
  const bool sameStream = ingress_.started() && ingress_.sourceSsrc() == sender;
  const Refusal refusal =
      muxed ? latch_.admits(datagram.from)
            : rtcpLatch_.check(datagram.from, sameStream, datagram.arrivalNs).refusal;
  if (refusal != Refusal::kNone) {
    refuse(context, refusal);
    return;
  }
  ++context.counters.rtcpIn;
  if (peer_ != nullptr) {
    peer_->sendRtcp(context, datagram.data, datagram.size);
  } else if (way_.leads()) {
    RtcpRewrite rules;
    rules.sender = ssrc_;
    rules.timestampOffset = ingress_.timestampOffset();
    rules.reported = egressSsrc_;
    rules.reportedAs = egress_.started() ? std::optional(egress_.sourceSsrc()) : std::nullopt;
    rules.sequenceOffset = static_cast<uint16_t>(-egress_.sequenceOffset());
    const size_t size = rewriteRtcp(datagram.data, datagram.size, rules);
    if (size > 0) way_.carryRtcp(context, datagram, size);
  }
}

void Port::fromRelay(ShardContext& context, Datagram& datagram) {
  if (looksLikeRtcp(datagram.data, datagram.size)) {
    if (!isRtcp(datagram.data, datagram.size)) return;
    ++context.counters.rtcpIn;
    RtcpRewrite rules;
    rules.sender = egressSsrc_;
    rules.timestampOffset = egress_.timestampOffset();
    rules.reported = ssrc_;
    rules.reportedAs = ingress_.started() ? std::optional(ingress_.sourceSsrc()) : std::nullopt;
    rules.sequenceOffset = static_cast<uint16_t>(-ingress_.sequenceOffset());
    const size_t size = rewriteRtcp(datagram.data, datagram.size, rules);
    if (size > 0) sendRtcp(context, datagram.data, size);
    return;
  }
  RtpHeader header;
  if (parseRtp(datagram.data, datagram.size, header) != Refusal::kNone) return;
  way_.cameBack();
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
  const Address* to = latch_.destination();
  if (!hasRemote_ || !send_ || to == nullptr || to->port() == 0) return;
  const int fd = sockets_.rtp.fd.get();
  size_t sent = 0;
  if (count == 1) {
    sent = sendto(fd, packets[0].iov_base, packets[0].iov_len, MSG_DONTWAIT, to->raw(),
                  to->length()) >= 0
               ? 1
               : 0;
  } else {
    std::array<mmsghdr, kReceiveBatch> messages{};
    for (size_t i = 0; i < count; ++i) {
      messages[i].msg_hdr.msg_name = const_cast<sockaddr*>(to->raw());
      messages[i].msg_hdr.msg_namelen = to->length();
      messages[i].msg_hdr.msg_iov = const_cast<iovec*>(&packets[i]);
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    // One that fails is left out; the others still go.
    for (size_t next = 0; next < count;) {
      const int done =
          sendmmsg(fd, &messages[next], static_cast<unsigned>(count - next), MSG_DONTWAIT);
      if (done > 0) sent += static_cast<size_t>(done);
      next += done > 0 ? static_cast<size_t>(done) : 1;
    }
  }
  egressPackets_ += sent;
  egressErrors_ += count - sent;
  context.counters.packetsToParties += sent;
  context.counters.sendErrors += count - sent;
  if (sent > 0) lastEgressNs_ = nowNs();
}

void Port::sendRtcp(ShardContext& context, const uint8_t* data, size_t size) {
  if (!hasRemote_) return;
  const Address* to = muxed_ ? latch_.destination() : rtcpLatch_.destination();
  if (to == nullptr || to->port() == 0) return;
  const int fd = muxed_ ? sockets_.rtp.fd.get() : sockets_.rtcp.fd.get();
  if (sendto(fd, data, size, MSG_DONTWAIT, to->raw(), to->length()) >= 0) {
    ++context.counters.rtcpOut;
  } else {
    ++context.counters.sendErrors;
  }
}

void Port::refuse(ShardContext& context, Refusal reason) {
  refused_.add(reason);
  context.countRefusal(reason);
}

void Port::countDrops(ShardContext& context, uint32_t drops) {
  kernelDrops_ += drops;
  context.counters.kernelDrops += drops;
}

bool Port::mayTell(int64_t& last, int64_t nowNs) const {
  if (last != 0 && nowNs - last < kTellAgainNs && nowNs >= last) return false;
  last = nowNs;
  return true;
}

StreamReport Port::report() const {
  StreamReport report;
  report.ssrc = ssrc_;
  if (ingress_.started()) {
    report.sourceSsrc = ingress_.sourceSsrc();
    report.lastPayloadType = ingress_.payloadType();
  }
  report.latched = latch_.latched();
  report.packets = packets_;
  report.bytes = bytes_;
  report.duplicates = duplicates_;
  report.reordered = reordered_;
  report.refused = refused_;
  report.unforwarded = way_.unforwarded();
  report.kernelDrops = kernelDrops_;
  report.received = received_.list();
  report.rangesJoined = received_.joined();
  report.exactFrom = received_.exactFrom();
  report.ssrcChanges.assign(changes_.begin(), changes_.end());
  report.ssrcChangeCount = changeCount_;
  report.packetMs = ingress_.packetMs();
  report.egressPackets = egressPackets_;
  report.egressErrors = egressErrors_;
  report.lastEgressNs = lastEgressNs_;
  if (!ring_.empty()) report.ringFirst = ring_.at(ring_.first()).extended;
  return report;
}

std::optional<uint64_t> Port::sequenceAt(int64_t atNs) const {
  if (!ingress_.started()) return std::nullopt;
  const uint64_t index = ring_.since(atNs);
  return index < ring_.head() ? ring_.at(index).extended : ingress_.highest() + 1;
}

}  // namespace tandem
