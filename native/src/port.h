#pragma once

#include <array>
#include <optional>
#include <vector>

#include "clock_rates.h"
#include "ingress_account.h"
#include "inventory.h"
#include "latch.h"
#include "normaliser.h"
#include "party_egress.h"
#include "peer_source.h"
#include "port_settings.h"
#include "ranges.h"
#include "relay_way.h"
#include "reports.h"
#include "ring.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

/**
 * One party's pinned pair of sockets: takes its packets, gives them to the other party, to the
 * relay and into the ring, and sends to the party what is for it. Its RTCP is in port_rtcp.cc.
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
  /** Ends what one of the others began. */
  void routeNowhere(ShardContext& context);
  void routeDirect(Port& peer);
  void routeThrough(ShardContext& context, const Address& relay, Port* peer,
                    const std::bitset<128>& payloadTypes);
  void routeAround(ShardContext& context, Port& peer);
  /** Led through mediasoup until now, and around it from the next packet. False if it is not led
   * so, or to somebody else. */
  bool turnAround(ShardContext& context, const Port& peer);
  /** Routes that lead here lead nowhere. */
  void leave(ShardContext& context);
  RelayWay& way() { return way_; }
  PortRoute route() const;

  /** Takes what still waits in the RTP socket, for the last time. */
  void drain(ShardContext& context);

  /** What the relay's far side, or the other port in its stead, sent for the party. */
  void fromRelay(ShardContext& context, Datagram& datagram);

  const Ring& ring() const { return ring_; }
  const Ranges& received() const { return account_.received(); }
  const Normaliser& normaliser() const { return ingress_; }
  const ClockRates& clockRates() const { return clockRates_; }
  std::vector<Fork*>& forks() { return forks_; }
  bool dirty = false;

  StreamReport report() const;
  PortInventory inventory() const;
  /** When the last packet came; 0: none yet. */
  int64_t lastHeardNs() const { return account_.lastNs(); }
  /** Of the oldest packet in the ring that arrived then or later; one past the newest when none
   * did. Absent before the first packet. */
  std::optional<uint64_t> sequenceAt(int64_t atNs) const;

 private:
  void onRtpReady(ShardContext& context) { receiveRtp(context); }
  /** Of one source, out of the batch, and not passed on yet. */
  struct Taken {
    std::array<RtpHeader, kReceiveBatch> headers;
    std::array<uint8_t, kReceiveBatch> indexes;
    size_t count = 0;
  };

  size_t receiveRtp(ShardContext& context);
  void passOn(ShardContext& context, Taken& taken);
  bool acceptRtp(ShardContext& context, const Datagram& datagram, RtpHeader& header);
  void store(ShardContext& context, const Datagram& datagram, const RtpHeader& header);
  void sendRtp(ShardContext& context, const iovec* packets, size_t count);

  void onRtcpReady(ShardContext& context);
  void acceptRtcp(ShardContext& context, Datagram& datagram, bool onRtpSocket);
  void rtcpFromRelay(ShardContext& context, Datagram& datagram);
  void sendRtcp(ShardContext& context, const uint8_t* data, size_t size);

  void refuse(ShardContext& context, Refusal reason);
  void countDrops(ShardContext& context, uint32_t drops);
  void noteChange(ShardContext& context, const SsrcChange& change);
  void linkTo(Port& peer);

  const uint32_t id_;
  const uint32_t ssrc_;
  const uint32_t egressSsrc_;
  UdpPair sockets_;
  Ready<Port, &Port::onRtpReady> rtpReady_{*this};
  Ready<Port, &Port::onRtcpReady> rtcpReady_{*this};
  ReadState rtpReads_;
  ReadState rtcpReads_;
  /** Dropped by the kernel at the RTP socket since the last packet that was taken. */
  uint32_t dropsUntold_ = 0;

  PeerSource source_;
  bool hasRemote_ = false;
  bool send_ = false;
  ClockRates clockRates_;
  /** Whose party hears this one directly. */
  Port* peer_ = nullptr;
  RelayWay way_{*this};
  /** Where the route leads in the end, whichever it is, and whose routes lead here. */
  Port* leadsTo_ = nullptr;
  std::vector<Port*> ledHere_;

  Normaliser ingress_;
  /** Smooths a new consumer SSRC of a restarted mediasoup worker over, towards the party. */
  Normaliser egress_;
  IngressAccount account_;
  PartyEgress toParty_;
  Ring ring_;
  std::vector<Fork*> forks_;
  int64_t lastMoveToldNs_ = 0;
  int64_t lastChangeToldNs_ = 0;
};

}  // namespace tandem
