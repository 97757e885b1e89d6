#pragma once

#include <memory>
#include <optional>
#include <string>

#include "clock_rates.h"
#include "peer_source.h"
#include "range_reporter.h"
#include "reception.h"
#include "reports.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

class Capture;

/** One stream of a recording session, as its recorder receives it. */
class CaptureStream {
 public:
  CaptureStream(Capture& capture, uint32_t index, std::string label, UdpPair sockets,
                LatchPolicy latch, const ClockRates& rates, uint32_t ownSsrc);

  const UdpPair& sockets() const { return sockets_; }
  Source& rtpSource() { return rtpReady_; }
  Source& rtcpSource() { return rtcpReady_; }
  /** Reports name what was received packet by packet. */
  void setReportRanges(bool wanted);
  void setRemote(const Address& rtp, const Address& rtcp);
  void tick(ShardContext& context);
  void sendBye(ShardContext& context);
  /** Takes what still waits in the sockets. */
  void drain(ShardContext& context);
  CaptureStreamReport report() const;

 private:
  void onRtpReady(ShardContext& context) {
    receiveRtp(context);
    answerBye(context);
  }
  void onRtcpReady(ShardContext& context) {
    receiveRtcp(context);
    answerBye(context);
  }
  size_t receive(ShardContext& context, const UdpSocket& socket, ReadState& reads);
  size_t receiveRtp(ShardContext& context);
  size_t receiveRtcp(ShardContext& context);
  void takeRtp(ShardContext& context, const Datagram& datagram);
  void logRange(ShardContext& context, const RtpHeader& header, int64_t arrivalNs);
  void takeRtcp(ShardContext& context, Datagram& datagram, bool onRtpSocket);
  /** The sender has ended: it is told at once what was received in all. */
  void answerBye(ShardContext& context);
  void drainRtp(ShardContext& context);
  void refuse(ShardContext& context, Refusal reason);
  void sendReport(ShardContext& context, bool bye);
  void sendRtcp(ShardContext& context, const uint8_t* packet, size_t size);

  Capture& capture_;
  const uint32_t index_;
  const std::string label_;
  UdpPair sockets_;
  Ready<CaptureStream, &CaptureStream::onRtpReady> rtpReady_{*this};
  Ready<CaptureStream, &CaptureStream::onRtcpReady> rtcpReady_{*this};
  PeerSource source_;
  ClockRates rates_;
  const uint32_t ownSsrc_;
  Reception reception_;
  /** Absent: not asked for. */
  std::unique_ptr<RangeReporter> ranges_;
  int64_t nextForcedReportNs_ = 0;
  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t rtcpPackets_ = 0;
  int64_t firstNs_ = 0;
  int64_t lastNs_ = 0;
  uint64_t kernelDrops_ = 0;
  ReadState rtpReads_;
  ReadState rtcpReads_;
  RefusalCounts refused_;
  /** Of the stream by its SSRC, and from elsewhere: since the last one that was taken. */
  uint64_t refusedAfterLast_ = 0;
  int64_t nextReportNs_ = 0;
  /** Who said BYE and has no answer yet. */
  std::optional<uint32_t> byeFrom_;
};

}  // namespace tandem
