#pragma once

#include <sys/socket.h>

#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

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
  LegSocket(UdpPair sockets, LegSendRecord& record, size_t number)
      : sockets_(std::move(sockets)), record_(record), number_(number) {}

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
  /** What a predecessor had received, and not yet accounted for. */
  void takeLeft(ShardContext& context);
  /** A predecessor has counted those. */
  void skipDrops();

  /** Of the last flush, which forks that are shown know of. */
  uint64_t flushNumber() const { return record_.flush; }
  /** Forks of which something has changed since it was shown, while nothing is queued. */
  void touched(Fork& fork) { touched_.push_back(&fork); }
  void forgetTouched(Fork& fork) { std::erase(touched_, &fork); }
  void publishTouched(ShardContext& context);

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
  void takeBatch(ShardContext& context, size_t count);
  /** Reads the socket's error queue and tells the forks; returns how many errors there were. */
  size_t drainErrors(ShardContext& context, int fd, bool rtp);
  void onIcmp(ShardContext& context, msghdr& header, const Address& to, const uint8_t* quoted,
              size_t size, bool rtp);
  void giveBack(ShardContext& context, size_t from);

  UdpPair sockets_;
  LegSendRecord& record_;
  /** Among the thread's. */
  const size_t number_;
  std::vector<Fork*> touched_;
  Ready<LegSocket, &LegSocket::onRtpReady> rtpReady_{*this};
  Ready<LegSocket, &LegSocket::onRtcpReady> rtcpReady_{*this};
  ForkMap byRtp_;
  ForkMap byRtcp_;
  FormerPeers former_;
  std::array<iovec, kSendBatch> vectors_{};
  std::array<Item, kSendBatch> items_{};
  size_t queued_ = 0;
  bool blocked_ = false;
  ReadState rtpReads_;
  ReadState rtcpReads_;
};

}  // namespace tandem
