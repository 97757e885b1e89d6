#include "party_egress.h"

#include <atomic>

#include "clock.h"

namespace tandem {

namespace {

/** Returns how many were sent. A successor finds in `record` which. */
size_t sendMany(ReceiveBatch& batch, PartySendRecord& record, int fd, const Address& to,
                OutgoingPacket* packets, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    mmsghdr& message = record.messages[i];
    message.msg_len = 0;
    message.msg_hdr.msg_name = const_cast<sockaddr*>(to.raw());
    message.msg_hdr.msg_namelen = to.length();
    message.msg_hdr.msg_iov = packets[i].parts.data();
    message.msg_hdr.msg_iovlen = packets[i].partCount;
    record.datagrams[i] = packets[i].datagram;
  }
  record.batch = batch.number();
  record.count.set(count);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  size_t sent = 0;
  for (size_t next = 0; next < count;) {
    const int done =
        sendmmsg(fd, &record.messages[next], static_cast<unsigned>(count - next), MSG_DONTWAIT);
    if (done > 0) sent += static_cast<size_t>(done);
    next += done > 0 ? static_cast<size_t>(done) : 1;
  }
  for (size_t i = 0; i < count; ++i) batch.sentOn(packets[i].datagram);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  record.count.set(0);
  return sent;
}

}  // namespace

void PartyEgress::sendRtp(ShardContext& context, int fd, const Address& to, OutgoingPacket* packets,
                          size_t count) {
  const size_t sent = sendMany(context.batch, context.record.party, fd, to, packets, count);
  slot_.egressPackets.add(sent);
  slot_.egressErrors.add(count - sent);
  context.counters.packetsToParties += sent;
  context.counters.sendErrors += count - sent;
  if (sent > 0) slot_.lastEgressNs.set(static_cast<uint64_t>(nowNs()));
}

void PartyEgress::sendRtcp(ShardContext& context, int fd, const Address& to, const uint8_t* data,
                           size_t size) {
  const bool sent = sendto(fd, data, size, MSG_DONTWAIT, to.raw(), to.length()) >= 0;
  ++(sent ? context.counters.rtcpOut : context.counters.sendErrors);
}

}  // namespace tandem
