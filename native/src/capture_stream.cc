#include "capture_stream.h"

#include <algorithm>

#include "capture.h"
#include "clock.h"
#include "rtcp.h"

namespace tandem {

namespace {

/** A compound of ours: below the least MTU of IPv6 with its headers. */
constexpr size_t kReportBytesMax = 1'200;
/** A sender that leaps about is not reported to for each of its packets. */
constexpr int64_t kForcedReportEveryNs = 100 * kNsPerMs;

}  // namespace

CaptureStream::CaptureStream(Capture& capture, uint32_t index, std::string label, UdpPair sockets,
                             LatchPolicy latch, const ClockRates& rates, uint32_t ownSsrc)
    : capture_(capture),
      index_(index),
      label_(std::move(label)),
      sockets_(std::move(sockets)),
      source_(latch),
      rates_(rates),
      ownSsrc_(ownSsrc) {}

void CaptureStream::setRemote(const Address& rtp, const Address& rtcp) {
  source_.announce(rtp, rtcp);
}

void CaptureStream::setReportRanges(bool wanted) {
  if (!wanted) ranges_.reset();
  if (wanted && !ranges_) ranges_ = std::make_unique<RangeReporter>();
}

size_t CaptureStream::receive(ShardContext& context, const UdpSocket& socket, ReadState& reads) {
  const uint32_t before = reads.drops;
  const size_t count =
      context.batch.receive(socket.fd.get(), reads, BatchRecord::ownerOf(SocketKind::kOther, 0));
  kernelDrops_ += reads.drops - before;
  context.counters.kernelDrops += reads.drops - before;
  return count;
}

size_t CaptureStream::receiveRtp(ShardContext& context) {
  const size_t count = receive(context, sockets_.rtp, rtpReads_);
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    if (looksLikeRtcp(datagram.data, datagram.size)) {
      takeRtcp(context, datagram, true);
    } else {
      takeRtp(context, datagram);
    }
  }
  return count;
}

size_t CaptureStream::receiveRtcp(ShardContext& context) {
  const size_t count = receive(context, sockets_.rtcp, rtcpReads_);
  for (size_t i = 0; i < count; ++i) takeRtcp(context, context.batch[i], false);
  return count;
}

void CaptureStream::drainRtp(ShardContext& context) {
  for (size_t i = 0; i < kDrainMax && receiveRtp(context) == kReceiveBatch; ++i) {
  }
}

void CaptureStream::drain(ShardContext& context) {
  drainRtp(context);
  for (size_t i = 0; i < kDrainMax && receiveRtcp(context) == kReceiveBatch; ++i) {
  }
}

void CaptureStream::takeRtp(ShardContext& context, const Datagram& datagram) {
  RtpHeader header;
  Refusal refusal =
      datagram.truncated ? Refusal::kOversize : parseRtp(datagram.data, datagram.size, header);
  if (refusal == Refusal::kNone) {
    const Kinship kinship = reception_.ssrc() == header.ssrc ? Kinship::kSsrc : Kinship::kNone;
    refusal = source_.checkRtp(*datagram.from, kinship, datagram.arrivalNs).refusal;
    if (refusal != Refusal::kNone && kinship == Kinship::kSsrc) ++refusedAfterLast_;
  }
  if (refusal != Refusal::kNone) {
    refuse(context, refusal);
    return;
  }
  ++packets_;
  refusedAfterLast_ = 0;
  bytes_ += datagram.size;
  if (firstNs_ == 0) firstNs_ = datagram.arrivalNs;
  lastNs_ = datagram.arrivalNs;
  ++context.counters.packetsIn;
  context.counters.bytesIn += datagram.size;
  logRange(context, header, datagram.arrivalNs);
  reception_.onRtp(header, datagram.arrivalNs, rates_.of(header.payloadType));
  capture_.file().append(index_, datagram.wallNs, *datagram.from, sockets_.rtp.local, datagram.data,
                         datagram.size);
  capture_.markDirty(context);
}

void CaptureStream::logRange(ShardContext& context, const RtpHeader& header, int64_t arrivalNs) {
  if (!ranges_) return;
  if (ranges_->wouldLose(header.ssrc, header.sequence, arrivalNs) &&
      context.monotonicNow >= nextForcedReportNs_) {
    nextForcedReportNs_ = context.monotonicNow + kForcedReportEveryNs;
    sendReport(context, false);
  }
  ranges_->onRtp(header.ssrc, header.sequence, arrivalNs);
}

void CaptureStream::takeRtcp(ShardContext& context, Datagram& datagram, bool onRtpSocket) {
  Refusal refusal = Refusal::kNone;
  if (datagram.truncated || !isRtcp(datagram.data, datagram.size)) {
    refusal = Refusal::kMalformedRtcp;
  } else {
    const bool isOurs = datagram.size >= 8 && reception_.ssrc() == read32(datagram.data + 4);
    const Kinship kinship = isOurs ? Kinship::kSsrc : Kinship::kNone;
    refusal = source_.checkRtcp(*datagram.from, onRtpSocket, kinship, datagram.arrivalNs);
  }
  if (refusal != Refusal::kNone) {
    refuse(context, refusal);
    return;
  }
  ++rtcpPackets_;
  ++context.counters.rtcpIn;
  if (const auto report = findSenderReport(datagram.data, datagram.size)) {
    reception_.onSenderReport(*report, datagram.arrivalNs);
  }
  if (const auto from = findBye(datagram.data, datagram.size)) byeFrom_ = from;
  const Address& to = onRtpSocket ? sockets_.rtp.local : sockets_.rtcp.local;
  capture_.file().append(index_, datagram.wallNs, *datagram.from, to, datagram.data, datagram.size);
  capture_.markDirty(context);
}

void CaptureStream::answerBye(ShardContext& context) {
  if (!byeFrom_) return;
  // Media has a socket of its own: what was sent before the BYE may wait there still.
  drainRtp(context);
  const bool isOurs = reception_.ssrc() == byeFrom_;
  byeFrom_.reset();
  if (isOurs) sendReport(context, false);
}

void CaptureStream::refuse(ShardContext& context, Refusal reason) {
  refused_.add(reason);
  context.countRefusal(reason);
}

void CaptureStream::tick(ShardContext& context) {
  if (!reception_.ssrc() || context.monotonicNow < nextReportNs_) return;
  nextReportNs_ = context.monotonicNow + context.rtcpIntervalNs;
  sendReport(context, false);
}

void CaptureStream::sendBye(ShardContext& context) {
  if (reception_.ssrc()) sendReport(context, true);
}

void CaptureStream::sendReport(ShardContext& context, bool bye) {
  uint8_t packet[kReportBytesMax];
  const ReportBlock block = reception_.nextReport(nowNs());
  const size_t head = writeReceiverReport(packet, ownSsrc_, &block);
  uint8_t tail[kRtcpBuildBytes];
  size_t tailSize = writeSourceDescription(tail, ownSsrc_, context.cname);
  if (bye) tailSize += writeBye(tail + tailSize, ownSsrc_);
  if (ranges_) ranges_->begin(kReportBytesMax - head - tailSize);
  // More than one when that much happened. Each begins with the report and has the CNAME (RFC 3550
  // section 6.1), which stands behind the ranges: Wireshark looks for their chunks beyond their
  // block.
  do {
    size_t size = head;
    if (ranges_ && ranges_->left()) size += ranges_->write(packet + size, ownSsrc_);
    std::copy_n(tail, tailSize, packet + size);
    sendRtcp(context, packet, size + tailSize);
  } while (ranges_ && ranges_->left());
}

void CaptureStream::sendRtcp(ShardContext& context, const uint8_t* packet, size_t size) {
  const auto to = source_.rtcpDestination();
  if (!to) return;
  const int fd = source_.muxed() ? sockets_.rtp.fd.get() : sockets_.rtcp.fd.get();
  if (sendto(fd, packet, size, MSG_DONTWAIT, to->raw(), to->length()) >= 0) {
    ++context.counters.rtcpOut;
  } else {
    ++context.counters.sendErrors;
  }
}

CaptureStreamReport CaptureStream::report() const {
  CaptureStreamReport report;
  report.label = label_;
  report.packets = packets_;
  report.bytes = bytes_;
  report.rtcpPackets = rtcpPackets_;
  report.lostPackets = reception_.lost();
  report.ssrc = reception_.ssrc();
  report.firstNs = firstNs_;
  report.lastNs = lastNs_;
  report.kernelDrops = kernelDrops_;
  report.refused = refused_;
  report.refusedAfterLast = refusedAfterLast_;
  return report;
}

}  // namespace tandem
