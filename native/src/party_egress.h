#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "address.h"
#include "reports.h"
#include "shard_context.h"

namespace tandem {

/** What leaves a port for its party, out of the sockets that the party sends to (symmetric RTP). */
class PartyEgress {
 public:
  /** At most kReceiveBatch packets. One that fails is left out; the others still go. */
  void sendRtp(ShardContext& context, int fd, const Address& to, const iovec* packets,
               size_t count);
  void sendRtcp(ShardContext& context, int fd, const Address& to, const uint8_t* data, size_t size);

  void report(StreamReport& report) const;

 private:
  uint64_t packets_ = 0;
  uint64_t errors_ = 0;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
