#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "address.h"
#include "limits.h"
#include "rtp_header.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

/**
 * The thread's one socket towards all mediasoup transports, over loopback. Without IP_RECVERR: the
 * refusals of a dead worker disturb nobody else's packets.
 */
class RelaySocket {
 public:
  explicit RelaySocket(RelaySendRecord& record);
  /** A predecessor's. */
  RelaySocket(RelaySendRecord& record, UdpSocket socket);

  const Address& local() const { return socket_.local; }
  int fd() const { return socket_.fd.get(); }
  Source& source() { return ready_; }

  /** Throws if another port has that transport. */
  void enroll(const Address& transport, Port& port);
  void unregister(const Address& transport) { ports_.erase(transport); }

  /**
   * Without its header extension: mediasoup forwards none, and drops a packet whose extension it
   * does not understand. The packet in the port's ring at `index`, and `to`, must stay until the
   * flush at the end of this wake-up.
   */
  void queue(ShardContext& context, const Port& port, uint64_t index, const RtpHeader& header,
             const Address& to);
  void flush(ShardContext& context);
  /** What a predecessor handed over without having accounted for it: it is not handed over again.
   */
  std::vector<RelaySendRecord::Item>& sentBefore() { return sentBefore_; }
  void takeLeft(ShardContext& context);
  /** A predecessor has counted those. */
  void skipDrops() { reads_.drops = dropsOf(fd()); }
  void send(ShardContext& context, const uint8_t* data, size_t size, const Address& to);

  /** Nothing comes back for what this port sends, as far as has been read. */
  void suspect(Port& port);
  void unsuspect(Port& port) { std::erase(suspects_, &port); }
  /** Reads what came back so far. False when there is more than it takes at once. */
  bool drain(ShardContext& context);
  /** At the end of a wake-up: reads what there is before it believes that. */
  void judgeSuspects(ShardContext& context);

 private:
  /** False when there is more. */
  bool receive(ShardContext& context);
  void takeBatch(ShardContext& context, size_t count);
  void onReady(ShardContext& context) { receive(context); }

  UdpSocket socket_;
  Ready<RelaySocket, &RelaySocket::onReady> ready_{*this};
  std::unordered_map<Address, Port*, AddressHash> ports_;
  RelaySendRecord& record_;
  std::array<std::array<iovec, 2>, kSendBatch> vectors_{};
  /** Headers of packets that lose their extension on the way. */
  std::array<std::array<uint8_t, kRtpHeadBytesMax>, kSendBatch> heads_{};
  size_t queued_ = 0;
  ReadState reads_;
  std::vector<Port*> suspects_;
  std::vector<RelaySendRecord::Item> sentBefore_;
};

}  // namespace tandem
