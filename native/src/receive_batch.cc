#include "receive_batch.h"

#include <algorithm>
#include <cerrno>

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

size_t ReceiveBatch::receive(int fd, ReadState& state) {
  const int64_t beforeNs = nowNs();
  const int received = recvmmsg(fd, messages_.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (received <= 0) {
    if (errno == EAGAIN) state.notBeforeNs = beforeNs;
    return 0;
  }
  clock_.sample();
  const auto count = static_cast<size_t>(received);
  for (size_t i = 0; i < count; ++i) readControl(i, state);
  // The socket was found empty.
  if (count < kReceiveBatch) state.notBeforeNs = std::max(state.notBeforeNs, beforeNs);
  return count;
}

void ReceiveBatch::readControl(size_t i, ReadState& state) {
  msghdr& header = messages_[i].msg_hdr;
  Datagram& datagram = datagrams_[i];
  datagram.size = messages_[i].msg_len;
  datagram.truncated = (header.msg_flags & MSG_TRUNC) != 0;
  datagram.wallNs = 0;
  datagram.droppedBefore = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec ts;
      memcpy(&ts, CMSG_DATA(c), sizeof ts);
      datagram.wallNs = toNs(ts) + wallStepNs.load(std::memory_order_relaxed);
    } else if (c->cmsg_type == SO_RXQ_OVFL) {
      uint32_t drops;
      memcpy(&drops, CMSG_DATA(c), sizeof drops);
      datagram.droppedBefore = drops - state.drops;
      state.drops = drops;
    }
  }
  if (datagram.wallNs == 0) datagram.wallNs = wallNs();
  datagram.arrivalNs = clock_.convert(datagram.wallNs, state.notBeforeNs);
  state.notBeforeNs = datagram.arrivalNs;
  header.msg_namelen = Address::capacity();
  header.msg_controllen = sizeof controls_[i].bytes;
}

}  // namespace tandem
