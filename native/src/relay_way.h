#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "address.h"
#include "handed_over.h"
#include "port_settings.h"
#include "receive_batch.h"
#include "relay_watch.h"
#include "rtp_header.h"
#include "shard_context.h"
#include "shm_records.h"

namespace tandem {

class Port;

/**
 * One port's way to the other party as mediasoup carries it: through mediasoup, or around it, from
 * port to port with what mediasoup would change changed here. A port whose packets do not come back
 * goes around by itself, without JavaScript.
 */
class RelayWay {
 public:
  RelayWay(Port& own, PortSlot& slot) : own_(own), slot_(slot), handedOver_(slot.handedOver) {}

  /** @param peer whose packets come back at `to`, and the way around; without one nothing is
   * watched */
  void leadThrough(ShardContext& context, const Address& to, Port* peer,
                   const std::bitset<128>& payloadTypes);
  void leadAround(ShardContext& context, Port& peer);
  void leadNowhere(ShardContext& context);
  /** From through mediasoup to around it, where there is a way around. What mediasoup was given and
   * has not given back goes around first; what it still gives back is not taken any more. */
  void turnAround(ShardContext& context);
  /** The same, without having been told to. */
  void goAround(ShardContext& context, const RelayStall& stall);

  bool leads() const { return to_ || around_; }
  /** And there is a way around it. */
  bool leadsThrough() const { return to_ && peer_ != nullptr; }
  /** Without ids. */
  PortRoute route() const;

  /** @param index of the packet in the ring, `packet` as it is there, `datagram` as it came: the
   * latter may be changed */
  void carryRtp(ShardContext& context, uint64_t index, const uint8_t* packet,
                const RtpHeader& header, const Datagram& datagram);
  void carryRtcp(ShardContext& context, const Datagram& datagram, size_t size);
  /** Something of the peer's came back out of mediasoup for this port's party. */
  void cameBack(const RtpHeader& header);
  /** When all that came back has been seen: goes around if still nothing did. */
  void judge(ShardContext& context);

  void restoreStall(const RelayStall& stall) { stall_ = stall; }
  HandedOver& handedOver() { return handedOver_; }
  const HandedOver& handedOver() const { return handedOver_; }
  /** A packet of the ring that a predecessor had not handed over yet. */
  void relayAgain(ShardContext& context, uint64_t index, uint16_t headerBytes);

  /** Into what a successor goes on with. */
  void record(PortSettings& settings) const;
  void record(PortEgress& egress) const;

  /** Set while the port goes around mediasoup without having been told to. */
  const std::optional<RelayStall>& stall() const { return stall_; }

 private:
  Port& own_;
  PortSlot& slot_;
  std::optional<Address> to_;
  Port* peer_ = nullptr;
  bool around_ = false;
  std::optional<RelayWatch> watch_;
  HandedOver handedOver_;
  std::optional<RelayStall> stall_;
  std::bitset<128> payloadTypes_;
};

}  // namespace tandem
