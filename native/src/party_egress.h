#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "address.h"
#include "shard_context.h"
#include "shm_records.h"

namespace tandem {

/** One that is made of a datagram of the batch, which stays as it came. */
struct OutgoingPacket {
  std::array<iovec, 2> parts;
  size_t partCount;
  /** In the batch. */
  size_t datagram;
};

/** What leaves a port for its party, out of the sockets that the party sends to (symmetric RTP). */
class PartyEgress {
 public:
  explicit PartyEgress(PortSlot& slot) : slot_(slot) {}

  /** At most kReceiveBatch packets. One that fails is left out; the others still go. */
  void sendRtp(ShardContext& context, int fd, const Address& to, OutgoingPacket* packets,
               size_t count);
  void sendRtcp(ShardContext& context, int fd, const Address& to, const uint8_t* data, size_t size);

 private:
  PortSlot& slot_;
};

}  // namespace tandem
