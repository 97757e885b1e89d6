#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "clock_rates.h"
#include "latch.h"
#include "normaliser.h"
#include "ranges.h"
#include "relay_way.h"
#include "reports.h"
#include "ring.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

struct PortRemote {
  Address rtp;
  Address rtcp;
  bool send;
  ClockRates clockRates;
};

/**
 * One party's pinned pair of sockets: takes its packets, gives them to the other party, to the
 * relay and into the ring, and sends to the party what is for it.
 */
class Port {
 public:
  Port(uint32_t id, UdpPair sockets, LatchPolicy latch, const RingLimits& ring, uint32_t ssrc,
       uint32_t egressSsrc);

  uint32_t id() const { return id_; }
  uint32_t ssrc() const { return ssrc_; }
  const UdpPair& sockets() const { return sockets_; }
  Source& rtpSource() { return rtpReady_; }
  Source& rtcpSource() { return rtcpReady_; }

  void setRemote(const PortRemote& remote);
  void routeNowhere(ShardContext& context);
  void routeDirect(ShardContext& context, Port& peer);
  bool routesTo(const Port& peer) const { return peer_ == &peer || way_.leadsTo(peer); }
  /** Instead of the direct route: `routeNowhere` ends either. */
  RelayWay& way() { return way_; }

  /** Takes what still waits in the RTP socket. */
  void drain(ShardContext& context);

  /** What the relay's far side, or the other port in its stead, sent for the party. */
  void fromRelay(ShardContext& context, Datagram& datagram);

  const Ring& ring() const { return ring_; }
  const Ranges& received() const { return received_; }
  const Normaliser& normaliser() const { return ingress_; }
  const ClockRates& clockRates() const { return clockRates_; }
  std::vector<Fork*>& forks() { return forks_; }
  bool dirty = false;

  StreamReport report() const;
  /** When the newest packet came; 0: none yet. */
  int64_t lastHeardNs() const {
    return received_.list().empty() ? 0 : received_.list().back().lastAtNs;
  }
  /** Of the oldest packet in the ring that arrived then or later; one past the newest when none
   * did. Absent before the first packet. */
  std::optional<uint64_t> sequenceAt(int64_t atNs) const;

 private:
  void onRtpReady(ShardContext& context) { receiveRtp(context); }
  size_t receiveRtp(ShardContext& context);
  void onRtcpReady(ShardContext& context);
  bool acceptRtp(ShardContext& context, const Datagram& datagram, RtpHeader& header);
  void acceptRtcp(ShardContext& context, Datagram& datagram, bool muxed);
  void store(ShardContext& context, const Datagram& datagram, const RtpHeader& header);
  void refuse(ShardContext& context, Refusal reason);
  void countDrops(ShardContext& context, uint32_t drops);
  void sendRtp(ShardContext& context, const iovec* packets, size_t count);
  void sendRtcp(ShardContext& context, const uint8_t* data, size_t size);
  void noteChange(ShardContext& context, uint32_t from, const RtpHeader& header, uint64_t extended,
                  int64_t atNs);
  bool mayTell(int64_t& last, int64_t nowNs) const;

  const uint32_t id_;
  const uint32_t ssrc_;
  const uint32_t egressSsrc_;
  UdpPair sockets_;
  Ready<Port, &Port::onRtpReady> rtpReady_{*this};
  Ready<Port, &Port::onRtcpReady> rtcpReady_{*this};

  Latch latch_;
  Latch rtcpLatch_;
  bool hasRemote_ = false;
  bool send_ = false;
  bool muxed_ = false;
  ClockRates clockRates_;
  Port* peer_ = nullptr;
  RelayWay way_{*this};

  Normaliser ingress_;
  /** Smooths a new consumer SSRC of a restarted mediasoup worker over, towards the party. */
  Normaliser egress_;
  Ring ring_;
  std::vector<Fork*> forks_;

  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t reordered_ = 0;
  uint64_t kernelDrops_ = 0;
  ReadState rtpReads_;
  ReadState rtcpReads_;
  RefusalCounts refused_;
  Ranges received_;
  std::deque<SsrcChange> changes_;
  uint64_t changeCount_ = 0;
  uint64_t egressPackets_ = 0;
  uint64_t egressErrors_ = 0;
  int64_t lastEgressNs_ = 0;
  int64_t lastMoveToldNs_ = 0;
  int64_t lastChangeToldNs_ = 0;
};

}  // namespace tandem
