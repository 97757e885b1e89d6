#include "relay.h"

#include "error.h"
#include "port.h"

namespace tandem {

namespace {

/** Batches read in one wake-up: this one socket stands for many ports. */
constexpr int kBatchesPerWakeup = 8;

}  // namespace

RelaySocket::RelaySocket() {
  socket_ = bindUdp(*Address::parse("127.0.0.1", 0), {.receiveBufferBytes = kSharedBufferBytes,
                                                      .sendBufferBytes = kSharedBufferBytes});
  if (!socket_.fd.valid()) fail("no loopback port for the relay");
}

void RelaySocket::enroll(const Address& transport, Port& port) {
  if (!transport.isV4()) fail("a relay goes to an IPv4 loopback address, not to " + transport.ip());
  if (!ports_.try_emplace(transport, &port).second) {
    fail("another port is routed to " + transport.ip() + " port " +
         std::to_string(transport.port()));
  }
}

void RelaySocket::queue(ShardContext& context, const uint8_t* data, size_t size,
                        const Address& to) {
  if (queued_ == kSendBatch) flush(context);
  vectors_[queued_] = {const_cast<uint8_t*>(data), size};
  msghdr& header = messages_[queued_].msg_hdr;
  header.msg_name = const_cast<sockaddr*>(to.raw());
  header.msg_namelen = to.length();
  header.msg_iov = &vectors_[queued_];
  header.msg_iovlen = 1;
  ++queued_;
}

void RelaySocket::flush(ShardContext& context) {
  for (size_t next = 0; next < queued_;) {
    const int done = sendmmsg(socket_.fd.get(), &messages_[next],
                              static_cast<unsigned>(queued_ - next), MSG_DONTWAIT);
    if (done > 0) {
      context.counters.packetsToRelay += static_cast<uint64_t>(done);
      next += static_cast<size_t>(done);
    } else {
      ++context.counters.sendErrors;
      ++next;
    }
  }
  queued_ = 0;
}

void RelaySocket::send(ShardContext& context, const uint8_t* data, size_t size, const Address& to) {
  if (sendto(socket_.fd.get(), data, size, MSG_DONTWAIT, to.raw(), to.length()) >= 0) {
    ++context.counters.rtcpOut;
  } else {
    ++context.counters.sendErrors;
  }
}

void RelaySocket::onReady(ShardContext& context) {
  for (int round = 0; round < kBatchesPerWakeup; ++round) {
    const uint32_t before = reads_.drops;
    const size_t count = context.batch.receive(socket_.fd.get(), reads_);
    context.counters.kernelDrops += reads_.drops - before;
    for (size_t i = 0; i < count; ++i) {
      Datagram& datagram = context.batch[i];
      const auto found = ports_.find(datagram.from);
      if (datagram.truncated || found == ports_.end()) continue;
      found->second->fromRelay(context, datagram);
    }
    if (count < kReceiveBatch) return;
  }
}

}  // namespace tandem
