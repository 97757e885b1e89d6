// RTCP of a port: to the other party untouched on the direct route, rewritten to what the other
// side knows of SSRCs and numbers on the way through mediasoup.

#include "port.h"
#include "rtcp.h"
#include "rtcp_rewrite.h"

namespace tandem {

namespace {

/** Towards one who knows the sender's stream under `sender`, and his own under what `received` was
 * made from. */
RtcpRewrite rulesFor(uint32_t sender, const Normaliser& sent, uint32_t reported,
                     const Normaliser& received) {
  RtcpRewrite rules;
  rules.sender = sender;
  rules.timestampOffset = sent.timestampOffset();
  rules.reported = reported;
  if (received.started()) rules.reportedAs = received.sourceSsrc();
  rules.sequenceOffset = static_cast<uint16_t>(-received.sequenceOffset());
  return rules;
}

}  // namespace

void Port::onRtcpReady(ShardContext& context) {
  const uint32_t dropsBefore = rtcpReads_.drops;
  const size_t count =
      context.batch.receive(sockets_.rtcp.fd.get(), rtcpReads_,
                            BatchRecord::ownerOf(SocketKind::kPortRtcp, lease_.slot()));
  countDrops(context, rtcpReads_.drops - dropsBefore);
  for (size_t i = 0; i < count; ++i) acceptRtcp(context, context.batch[i], false);
  context.publishEgress();
  context.batch.done();
  touchAll(context);
}

void Port::acceptRtcp(ShardContext& context, Datagram& datagram, bool onRtpSocket) {
  // It may have been changed on its way already.
  if (context.isReplay) return;
  if (datagram.truncated || !isRtcp(datagram.data, datagram.size)) {
    refuse(context, Refusal::kMalformedRtcp);
    return;
  }
  const uint32_t sender = datagram.size >= 8 ? read32(datagram.data + 4) : 0;
  const Refusal refusal = source_.checkRtcp(*datagram.from, onRtpSocket, ingress_.kinshipOf(sender),
                                            datagram.arrivalNs);
  if (refusal != Refusal::kNone) {
    refuse(context, refusal);
    return;
  }
  ++context.counters.rtcpIn;
  if (peer_ != nullptr) {
    peer_->sendRtcp(context, datagram.data, datagram.size);
  } else if (way_.leads()) {
    const size_t size =
        rewriteRtcp(datagram.data, datagram.size, rulesFor(ssrc_, ingress_, egressSsrc_, egress_));
    if (size > 0) way_.carryRtcp(context, datagram, size);
  }
}

void Port::rtcpFromRelay(ShardContext& context, Datagram& datagram) {
  if (context.isReplay) return;
  if (!isRtcp(datagram.data, datagram.size)) {
    context.countRefusal(Refusal::kMalformedRtcp);
    return;
  }
  ++context.counters.rtcpIn;
  const size_t size =
      rewriteRtcp(datagram.data, datagram.size, rulesFor(egressSsrc_, egress_, ssrc_, ingress_));
  if (size > 0) sendRtcp(context, datagram.data, size);
}

void Port::sendRtcp(ShardContext& context, const uint8_t* data, size_t size) {
  if (!hasRemote_) return;
  const auto to = source_.rtcpDestination();
  if (!to) return;
  const UdpSocket& socket = source_.muxed() ? sockets_.rtp : sockets_.rtcp;
  toParty_.sendRtcp(context, socket.fd.get(), *to, data, size);
}

}  // namespace tandem
