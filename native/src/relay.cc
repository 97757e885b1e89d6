#include "relay.h"

#include <algorithm>
#include <cstring>

#include "error.h"
#include "port.h"

namespace tandem {

namespace {

/** Batches read in one wake-up: this one socket stands for many ports. */
constexpr int kBatchesPerWakeup = 8;
/** Wake-ups' worth of them that are read at once: more than fits into the socket. */
constexpr int kDrainRounds = 256;

}  // namespace

RelaySocket::RelaySocket(RelaySendRecord& record) : record_(record) {
  socket_ = bindUdp(*Address::parse("127.0.0.1", 0), {.receiveBufferBytes = kSharedBufferBytes,
                                                      .sendBufferBytes = kSharedBufferBytes});
  if (!socket_.fd.valid()) fail("no loopback port for the relay");
}

RelaySocket::RelaySocket(RelaySendRecord& record, UdpSocket socket)
    : socket_(std::move(socket)), record_(record) {}

void RelaySocket::enroll(const Address& transport, Port& port) {
  if (!transport.isV4()) fail("a relay goes to an IPv4 loopback address, not to " + transport.ip());
  if (!ports_.try_emplace(transport, &port).second) {
    fail("another port is routed to " + transport.ip() + " port " +
         std::to_string(transport.port()));
  }
}

void RelaySocket::queue(ShardContext& context, const Port& port, uint64_t index,
                        const RtpHeader& header, const Address& to) {
  const auto isThis = [&](const RelaySendRecord::Item& item) {
    return item.portId == port.id() && item.index == index;
  };
  if (context.isReplay && std::any_of(sentBefore_.begin(), sentBefore_.end(), isThis)) return;
  if (queued_ == kSendBatch) flush(context);
  const Ring::Entry& entry = port.ring().at(index);
  const uint8_t* data = port.ring().data(entry);
  const size_t size = entry.size;
  const bool hasExtension = (data[0] & 0x10) != 0;
  auto& parts = vectors_[queued_];
  if (hasExtension) {
    uint8_t* head = heads_[queued_].data();
    parts[0] = {head, copyWithoutExtension(data, head)};
    parts[1] = {const_cast<uint8_t*>(data) + header.headerBytes, size - header.headerBytes};
  } else {
    parts[0] = {const_cast<uint8_t*>(data), size};
  }
  record_.items[queued_] = {static_cast<uint32_t>(port.slot()), port.id(), index};
  record_.messages[queued_].msg_len = 0;
  msghdr& message = record_.messages[queued_].msg_hdr;
  message.msg_name = const_cast<sockaddr*>(to.raw());
  message.msg_namelen = to.length();
  message.msg_iov = parts.data();
  message.msg_iovlen = hasExtension ? 2 : 1;
  record_.count.set(++queued_);
}

void RelaySocket::flush(ShardContext& context) {
  for (size_t next = 0; next < queued_;) {
    const int done = sendmmsg(socket_.fd.get(), &record_.messages[next],
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
  record_.count.set(0);
}

void RelaySocket::send(ShardContext& context, const uint8_t* data, size_t size, const Address& to) {
  if (sendto(socket_.fd.get(), data, size, MSG_DONTWAIT, to.raw(), to.length()) >= 0) {
    ++context.counters.rtcpOut;
  } else {
    ++context.counters.sendErrors;
  }
}

bool RelaySocket::receive(ShardContext& context) {
  for (int round = 0; round < kBatchesPerWakeup; ++round) {
    const uint32_t before = reads_.drops;
    const size_t count = context.batch.receive(socket_.fd.get(), reads_,
                                               BatchRecord::ownerOf(SocketKind::kRelay, 0));
    context.counters.kernelDrops += reads_.drops - before;
    takeBatch(context, count);
    if (count < kReceiveBatch) return true;
  }
  return false;
}

bool RelaySocket::drain(ShardContext& context) {
  for (int round = 0; round < kDrainRounds; ++round) {
    if (receive(context)) return true;
  }
  return false;
}

void RelaySocket::takeBatch(ShardContext& context, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    const auto found = ports_.find(*datagram.from);
    if (datagram.truncated || found == ports_.end()) continue;
    ++context.counters.packetsFromRelay;
    found->second->fromRelay(context, datagram);
  }
  context.publishEgress();
  context.batch.done();
}

void RelaySocket::takeLeft(ShardContext& context) {
  takeBatch(context, context.batch.receiveLeft(reads_));
}

void RelaySocket::suspect(Port& port) {
  if (std::find(suspects_.begin(), suspects_.end(), &port) == suspects_.end())
    suspects_.push_back(&port);
}

void RelaySocket::judgeSuspects(ShardContext& context) {
  if (suspects_.empty()) return;
  // What makes them innocent may still wait here. If there is too much to read now, they send
  // again.
  const bool readAll = receive(context);
  while (!suspects_.empty()) {
    Port& port = *suspects_.back();
    suspects_.pop_back();
    if (readAll) port.way().judge(context);
  }
}

}  // namespace tandem
