#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "address.h"
#include "receive_batch.h"
#include "relay_watch.h"
#include "rtp_header.h"
#include "shard_context.h"

namespace tandem {

class Port;

/**
 * One port's way to the other party as mediasoup carries it: through mediasoup, or around it, from
 * port to port with what mediasoup would change changed here. A port whose packets do not come back
 * goes around by itself, without JavaScript.
 */
class RelayWay {
 public:
  explicit RelayWay(Port& own) : own_(own) {}

  /** @param peer whose packets come back at `to`, and the way around; without one nothing is
   * watched */
  void leadThrough(ShardContext& context, const Address& to, Port* peer,
                   const std::bitset<128>& payloadTypes);
  void leadAround(ShardContext& context, Port& peer);
  void leadNowhere(ShardContext& context);

  bool leads() const { return to_ || around_; }

  /** @param packet as it is in the ring, `datagram` as it came: the latter may be changed */
  void carryRtp(ShardContext& context, const uint8_t* packet, const RtpHeader& header,
                const Datagram& datagram);
  void carryRtcp(ShardContext& context, const Datagram& datagram, size_t size);
  /** Something of the peer's came back out of mediasoup for this port's party. */
  void cameBack();
  /** When all that came back has been seen: goes around if still nothing did. */
  void judge(ShardContext& context);

  const UnforwardedCounts& unforwarded() const { return unforwarded_; }
  /** Set while the port goes around mediasoup without having been told to. */
  const std::optional<RelayStall>& stall() const { return stall_; }

 private:
  void goAround(ShardContext& context, const RelayStall& stall);

  Port& own_;
  std::optional<Address> to_;
  Port* peer_ = nullptr;
  bool around_ = false;
  std::optional<RelayWatch> watch_;
  std::optional<RelayStall> stall_;
  UnforwardedCounts unforwarded_;
};

}  // namespace tandem
