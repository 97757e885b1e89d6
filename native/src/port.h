#pragma once

#include <array>
#include <optional>
#include <utility>
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
#include "shm_ranges.h"
#include "udp.h"

namespace tandem {

/**
 * One party's pinned pair of sockets: takes its packets, gives them to the other party, to the
 * relay and into the ring, and sends to the party what is for it. Its RTCP is in port_rtcp.cc.
 */
class Port {
 public:
  Port(uint32_t id, PortLease lease, UdpPair sockets, LatchPolicy latch, const RingLimits& ring,
       uint32_t ssrc, uint32_t egressSsrc);
  ~Port();

  uint32_t id() const { return id_; }
  size_t slot() const { return lease_.slot(); }
  uint32_t ssrc() const { return ssrc_; }
  const UdpPair& sockets() const { return sockets_; }
  Source& rtpSource() { return rtpReady_; }
  Source& rtcpSource() { return rtcpReady_; }

  void setRemote(ShardContext& context, const PortRemote& remote);
  /** Ends what one of the others began. */
  void routeNowhere(ShardContext& context);
  void routeDirect(ShardContext& context, Port& peer);
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
  const Ranges& received() const { return std::as_const(account_).received(); }
  const Normaliser& normaliser() const { return ingress_; }
  const ClockRates& clockRates() const { return clockRates_; }
  std::vector<Fork*>& forks() { return forks_; }
  bool dirty = false;

  PortInventory inventory() const;

  /** Goes on where a predecessor was, but for its route. Throws EDGE_MEMORY. @param chunks those of
   * its lists are added */
  void restore(ShardContext& context, std::vector<uint32_t>& chunks);
  /** What a predecessor had received, and not yet accounted for. */
  void takeLeft(ShardContext& context);
  /** What a predecessor was about to hand to mediasoup. */
  void relayAgain(ShardContext& context, uint64_t index);

  // Of what is known of it in shared memory.
  /** Something has changed that is shown at the end of the wake-up. */
  void touch(ShardContext& context);
  /** Also of what changes seldom. */
  void touchAll(ShardContext& context);
  /** What was sent to the party out of mediasoup. */
  void publishEgress(ShardContext& context);
  /** Readers see it as it is now. */
  void show(ShardContext& context);
  /** It goes: its lists are given back. */
  void giveLists(ShardContext& context);

 private:
  void onRtpReady(ShardContext& context) { receiveRtp(context); }
  /** Of one source, out of the batch, and not passed on yet. */
  struct Taken {
    std::array<RtpHeader, kReceiveBatch> headers;
    std::array<uint8_t, kReceiveBatch> indexes;
    size_t count = 0;
  };

  size_t receiveRtp(ShardContext& context);
  void takeBatch(ShardContext& context, size_t count);
  void passOn(ShardContext& context, Taken& taken);
  bool acceptRtp(ShardContext& context, const Datagram& datagram, RtpHeader& header);
  void store(ShardContext& context, const Datagram& datagram, const RtpHeader& header);
  void sendRtp(ShardContext& context, OutgoingPacket* packets, size_t count);

  void onRtcpReady(ShardContext& context);
  void acceptRtcp(ShardContext& context, Datagram& datagram, bool onRtpSocket);
  void rtcpFromRelay(ShardContext& context, Datagram& datagram);
  void sendRtcp(ShardContext& context, const uint8_t* data, size_t size);

  void refuse(ShardContext& context, Refusal reason);
  void countDrops(ShardContext& context, uint32_t drops);
  void noteChange(ShardContext& context, const SsrcChange& change);
  void linkTo(Port& peer);
  void stage(ShardContext& context);
  PortIngress ingressRecord(const ShardContext& context);
  PortAccount accountRecord(ShardContext& context);
  PortSettings settingsRecord() const;

  const uint32_t id_;
  PortLease lease_;
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
  RelayWay way_{*this, *lease_};
  /** Where the route leads in the end, whichever it is, and whose routes lead here. */
  Port* leadsTo_ = nullptr;
  std::vector<Port*> ledHere_;

  Normaliser ingress_{lease_.ingressRecent()};
  /** Smooths a new consumer SSRC of a restarted mediasoup worker over, towards the party. */
  Normaliser egress_{lease_.egressRecent()};
  IngressAccount account_;
  PartyEgress toParty_{*lease_};
  Ring ring_;
  std::vector<Fork*> forks_;
  int64_t lastMoveToldNs_ = 0;
  int64_t lastChangeToldNs_ = 0;

  bool isTouched_ = false;
  bool accountHasChanged_ = true;
  bool settingsHaveChanged_ = true;
  bool isStaged_ = false;
  bool egressHasChanged_ = false;
  // A predecessor's newest batches.
  uint64_t stagedBatch_ = 0;
  uint64_t egressBatch_ = 0;
  SharedRanges receivedList_;
  SharedRanges droppedList_;
  SharedList<SsrcChange> changesList_;
};

}  // namespace tandem
