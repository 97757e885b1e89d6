#include "party_egress.h"

#include <array>

#include "clock.h"

namespace tandem {

namespace {

bool sendOne(int fd, const Address& to, const void* data, size_t size) {
  return sendto(fd, data, size, MSG_DONTWAIT, to.raw(), to.length()) >= 0;
}

size_t sendMany(int fd, const Address& to, const iovec* packets, size_t count) {
  std::array<mmsghdr, kReceiveBatch> messages{};
  for (size_t i = 0; i < count; ++i) {
    msghdr& header = messages[i].msg_hdr;
    header.msg_name = const_cast<sockaddr*>(to.raw());
    header.msg_namelen = to.length();
    header.msg_iov = const_cast<iovec*>(&packets[i]);
    header.msg_iovlen = 1;
  }
  size_t sent = 0;
  for (size_t next = 0; next < count;) {
    const int done =
        sendmmsg(fd, &messages[next], static_cast<unsigned>(count - next), MSG_DONTWAIT);
    if (done > 0) sent += static_cast<size_t>(done);
    next += done > 0 ? static_cast<size_t>(done) : 1;
  }
  return sent;
}

}  // namespace

void PartyEgress::sendRtp(ShardContext& context, int fd, const Address& to, const iovec* packets,
                          size_t count) {
  const size_t sent = count == 1 ? sendOne(fd, to, packets[0].iov_base, packets[0].iov_len)
                                 : sendMany(fd, to, packets, count);
  packets_ += sent;
  errors_ += count - sent;
  context.counters.packetsToParties += sent;
  context.counters.sendErrors += count - sent;
  if (sent > 0) lastNs_ = nowNs();
}

void PartyEgress::sendRtcp(ShardContext& context, int fd, const Address& to, const uint8_t* data,
                           size_t size) {
  ++(sendOne(fd, to, data, size) ? context.counters.rtcpOut : context.counters.sendErrors);
}

void PartyEgress::report(StreamReport& report) const {
  report.egressPackets = packets_;
  report.egressErrors = errors_;
  report.lastEgressNs = lastNs_;
}

}  // namespace tandem
