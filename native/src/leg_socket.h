#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <unordered_map>

#include "address.h"
#include "former_peers.h"
#include "limits.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

class Fork;

/**
 * The pair of sockets from which one stream index of all calls of a thread goes to recorders. One
 * sendmmsg serves many calls; recorders are told apart by their addresses, and so are their ICMP
 * errors and receiver reports.
 */
class LegSocket {
 public:
  explicit LegSocket(UdpPair sockets) : sockets_(std::move(sockets)) {}

  const UdpPair& sockets() const { return sockets_; }
  Source& rtpSource() { return rtpReady_; }
  Source& rtcpSource() { return rtcpReady_; }

  /** Throws if another fork has that destination. */
  void enroll(Fork& fork);
  void unregister(Fork& fork);

  /** Queues the ring packet at `index`. False if the socket's buffer is full: try again in another
   * wake-up. */
  bool queue(ShardContext& context, Fork& fork, uint64_t index, bool replayed);
  void flush(ShardContext& context);
  void sendRtcp(ShardContext& context, Fork& fork, const uint8_t* data, size_t size);
  /** A new wake-up: a buffer that was full may have room again. */
  void unblock() { blocked_ = false; }

 private:
  struct Item {
    Fork* fork;
    uint64_t index;
    bool replayed;
  };
  using ForkMap = std::unordered_map<Address, Fork*, AddressHash>;

  void onRtpReady(ShardContext& context);
  void onRtcpReady(ShardContext& context);
  void receive(ShardContext& context, int fd, ReadState& state);
  /** Reads the socket's error queue and tells the forks; returns how many errors there were. */
  size_t drainErrors(ShardContext& context, int fd, bool rtp);
  void onIcmp(ShardContext& context, msghdr& header, const Address& to, const uint8_t* quoted,
              size_t size, bool rtp);
  void giveBack(ShardContext& context, size_t from);

  UdpPair sockets_;
  Ready<LegSocket, &LegSocket::onRtpReady> rtpReady_{*this};
  Ready<LegSocket, &LegSocket::onRtcpReady> rtcpReady_{*this};
  ForkMap byRtp_;
  ForkMap byRtcp_;
  FormerPeers former_;
  std::array<mmsghdr, kSendBatch> messages_{};
  std::array<iovec, kSendBatch> vectors_{};
  std::array<Item, kSendBatch> items_{};
  size_t queued_ = 0;
  bool blocked_ = false;
  ReadState rtpReads_;
  ReadState rtcpReads_;
};

}  // namespace tandem
