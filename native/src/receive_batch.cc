#include "receive_batch.h"

#include "clock.h"

namespace tandem {

ReceiveBatch::ReceiveBatch() : memory_(new uint8_t[kReceiveBatch * kDatagramMax]) {
  for (size_t i = 0; i < kReceiveBatch; ++i) {
    datagrams_[i].data = memory_.get() + i * kDatagramMax;
    vectors_[i] = {datagrams_[i].data, kDatagramMax};
    msghdr& header = messages_[i].msg_hdr;
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_name = datagrams_[i].from.raw();
    header.msg_namelen = Address::capacity();
    header.msg_control = controls_[i].bytes;
    header.msg_controllen = sizeof controls_[i].bytes;
  }
}

size_t ReceiveBatch::receive(int fd, uint32_t& kernelDrops) {
  const int received = recvmmsg(fd, messages_.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (received <= 0) return 0;
  int64_t now = 0;
  for (int i = 0; i < received; ++i) {
    msghdr& header = messages_[i].msg_hdr;
    Datagram& datagram = datagrams_[i];
    datagram.size = messages_[i].msg_len;
    datagram.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    datagram.arrivalNs = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level != SOL_SOCKET) continue;
      if (c->cmsg_type == SCM_TIMESTAMPNS) {
        timespec ts;
        memcpy(&ts, CMSG_DATA(c), sizeof ts);
        datagram.arrivalNs = toNs(ts);
      } else if (c->cmsg_type == SO_RXQ_OVFL) {
        memcpy(&kernelDrops, CMSG_DATA(c), sizeof kernelDrops);
      }
    }
    if (datagram.arrivalNs == 0) datagram.arrivalNs = now != 0 ? now : (now = wallNs());
    header.msg_namelen = Address::capacity();
    header.msg_controllen = sizeof controls_[i].bytes;
  }
  return static_cast<size_t>(received);
}

}  // namespace tandem
