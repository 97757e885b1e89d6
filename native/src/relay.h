#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <unordered_map>

#include "address.h"
#include "limits.h"
#include "shard_context.h"
#include "udp.h"

namespace tandem {

/**
 * The thread's one socket towards all mediasoup transports, over loopback. Without IP_RECVERR: the
 * refusals of a dead worker disturb nobody else's packets.
 */
class RelaySocket {
 public:
  RelaySocket();

  const Address& local() const { return socket_.local; }
  int fd() const { return socket_.fd.get(); }
  Source& source() { return ready_; }

  /** Throws if another port has that transport. */
  void enroll(const Address& transport, Port& port);
  void unregister(const Address& transport) { ports_.erase(transport); }

  /** `data` and `to` must stay until the flush at the end of this wake-up. */
  void queue(ShardContext& context, const uint8_t* data, size_t size, const Address& to);
  void flush(ShardContext& context);
  void send(ShardContext& context, const uint8_t* data, size_t size, const Address& to);

 private:
  void onReady(ShardContext& context);

  UdpSocket socket_;
  Ready<RelaySocket, &RelaySocket::onReady> ready_{*this};
  std::unordered_map<Address, Port*, AddressHash> ports_;
  std::array<mmsghdr, kSendBatch> messages_{};
  std::array<iovec, kSendBatch> vectors_{};
  size_t queued_ = 0;
  ReadState reads_;
};

}  // namespace tandem
