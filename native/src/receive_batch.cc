#include "receive_batch.h"

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace tandem {

ReceiveBatch::ReceiveBatch(BatchRecord& record) : record_(record) {
  for (size_t i = 0; i < kReceiveBatch; ++i) {
    datagrams_[i].data = record.data[i].data();
    datagrams_[i].index = i;
    datagrams_[i].from = &record.from[i];
    vectors_[i] = {datagrams_[i].data, kDatagramMax};
    msghdr& header = record.messages[i].msg_hdr;
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_name = record.from[i].raw();
    header.msg_namelen = Address::capacity();
    header.msg_control = record.controls[i].bytes;
    // What a predecessor has received tells its own.
    if (record.messages[i].msg_len == 0) header.msg_controllen = sizeof record.controls[i].bytes;
  }
}

size_t ReceiveBatch::receive(int fd, ReadState& state, uint64_t owner) {
  for (size_t i = 0; i < lastCount_; ++i) record_.messages[i].msg_len = 0;
  lastCount_ = 0;
  ++record_.number;
  record_.sentOn.set(0);
  record_.owner.store(owner, std::memory_order_release);
  const int64_t beforeNs = nowNs();
  const int received = recvmmsg(fd, record_.messages.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (received <= 0) {
    if (errno == EAGAIN) state.notBeforeNs = beforeNs;
    return 0;
  }
  clock_.sample();
  lastCount_ = static_cast<size_t>(received);
  for (size_t i = 0; i < lastCount_; ++i) readControl(i, state);
  // The socket was found empty.
  if (lastCount_ < kReceiveBatch) state.notBeforeNs = std::max(state.notBeforeNs, beforeNs);
  return lastCount_;
}

size_t ReceiveBatch::receiveLeft(ReadState& state) {
  clock_.sample();
  lastCount_ = kReceiveBatch;
  while (lastCount_ > 0 && record_.messages[lastCount_ - 1].msg_len == 0) --lastCount_;
  for (size_t i = 0; i < lastCount_; ++i) readControl(i, state);
  return lastCount_;
}

void ReceiveBatch::readControl(size_t i, ReadState& state) {
  msghdr& header = record_.messages[i].msg_hdr;
  Datagram& datagram = datagrams_[i];
  datagram.size = record_.messages[i].msg_len;
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
  header.msg_controllen = sizeof record_.controls[i].bytes;
}

}  // namespace tandem
