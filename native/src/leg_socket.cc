#include "leg_socket.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "error.h"
#include "fork.h"
#include "port.h"
#include "rtcp.h"

namespace tandem {

namespace {

/** ICMP errors that one flush looks into, and that one message may meet in it: a flood of them
 * holds up neither the thread nor the other messages. */
constexpr int kRetriesPerFlush = 64;
constexpr int kRetriesMax = 8;
/** Times that a message is tried again without a sign of ICMP, before the error is its own: a queue
 * that is full may have lost that sign. */
constexpr int kTriesMax = 2;
constexpr size_t kErrorsPerRead = 16;
constexpr size_t kQuotedBytes = 64;
/** Reads of the error queue in one go: more wait for the next wake-up. */
constexpr int kErrorReadsMax = 4;

/** Errors that may have been pending on the socket: those belong to an earlier packet, not to this
 * one. */
bool mayBePending(int error) {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EHOSTDOWN || error == ENOPROTOOPT || error == EPROTO || error == EACCES ||
         error == EOPNOTSUPP || error == EMSGSIZE || error == ENONET;
}

/** The kernel never says so of the message itself. */
bool isOfIcmpAlone(int error) {
  return error == ECONNREFUSED || error == ENOPROTOOPT || error == EPROTO || error == EOPNOTSUPP ||
         error == ENONET || error == EHOSTDOWN;
}

/** Nobody is there: the port, the host or the way to it. */
bool meansUnreachable(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) {
    return error.ee_type == ICMP_DEST_UNREACH && error.ee_code != ICMP_FRAG_NEEDED;
  }
  return error.ee_origin == SO_EE_ORIGIN_ICMP6 && error.ee_type == ICMP6_DST_UNREACH;
}

}  // namespace

void LegSocket::enroll(Fork& fork) {
  if (byRtp_.contains(fork.rtp()) || byRtcp_.contains(fork.rtcp())) {
    fail("another fork goes to " + fork.rtp().ip() + " port " + std::to_string(fork.rtp().port()));
  }
  byRtp_.emplace(fork.rtp(), &fork);
  byRtcp_.emplace(fork.rtcp(), &fork);
}

void LegSocket::unregister(Fork& fork) {
  byRtp_.erase(fork.rtp());
  byRtcp_.erase(fork.rtcp());
  former_.add(fork.rtcp(), monotonicNs());
}

bool LegSocket::queue(ShardContext& context, Fork& fork, uint64_t index, bool replayed) {
  if (queued_ == kSendBatch) flush(context);
  // The flush may have shown that there is no way.
  if (blocked_ || fork.isHeld(context)) return false;
  const Ring& ring = fork.port().ring();
  const Ring::Entry& entry = ring.at(index);
  vectors_[queued_] = {const_cast<uint8_t*>(ring.data(entry)), entry.size};
  record_.messages[queued_].msg_len = 0;
  record_.items[queued_] = {static_cast<uint32_t>(fork.slot()), fork.id(), index,
                            replayed ? 1u : 0u};
  msghdr& header = record_.messages[queued_].msg_hdr;
  header.msg_name = const_cast<sockaddr*>(fork.rtp().raw());
  header.msg_namelen = fork.rtp().length();
  header.msg_iov = &vectors_[queued_];
  header.msg_iovlen = 1;
  items_[queued_] = {&fork, index, replayed};
  ++queued_;
  return true;
}

void LegSocket::flush(ShardContext& context) {
  if (queued_ == 0) return;
  ++record_.flush;
  record_.count.set(queued_);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  const int fd = sockets_.rtp.fd.get();
  int retries = 0;
  int retriesOfMessage = 0;
  bool metIcmp = false;
  bool someHeld = false;
  for (size_t next = 0; next < queued_;) {
    // What follows on a packet that was held back goes behind it, later.
    if (someHeld && items_[next].fork->isHeld(context)) {
      ++next;
      continue;
    }
    size_t end = queued_;
    if (someHeld) {
      for (end = next + 1; end < queued_ && !items_[end].fork->isHeld(context);) ++end;
    }
    const int done =
        sendmmsg(fd, &record_.messages[next], static_cast<unsigned>(end - next), MSG_DONTWAIT);
    if (done > 0) {
      for (const size_t sent = next + static_cast<size_t>(done); next < sent; ++next) {
        const Item& item = items_[next];
        item.fork->onSent(context, item.fork->port().ring().at(item.index), item.replayed);
      }
      context.counters.packetsToLegs += static_cast<uint64_t>(done);
      retriesOfMessage = 0;
      metIcmp = false;
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN || retries >= kRetriesPerFlush) {
      giveBack(context, next);
      break;
    }
    const Item& item = items_[next];
    // With IP_RECVERR, what a queue or a filter on the way out drops: this packet is not sent, and
    // others, that go another way, are.
    if (error == ENOBUFS) {
      item.fork->onDropped(context, item.index, error);
      someHeld = true;
      metIcmp = false;
      retriesOfMessage = 0;
      ++next;
      continue;
    }
    const bool hadErrors = mayBePending(error) && drainErrors(context, fd, true) > 0;
    metIcmp = metIcmp || hadErrors || isOfIcmpAlone(error);
    // sendmmsg stops at a message because of an earlier one's ICMP error: that message has not been
    // sent. An error that is this message's own comes again and again, with nothing in the queue.
    if (hadErrors) ++retries;
    if (mayBePending(error) && ++retriesOfMessage <= (metIcmp ? kRetriesMax : kTriesMax)) continue;
    if (error == EMSGSIZE) {
      item.fork->onSendError();
      ++context.counters.sendErrors;
    } else if (metIcmp) {
      item.fork->holdBack(context, item.index);
      someHeld = true;
    } else {
      item.fork->onUnsendable(context, item.index, error);
      ++context.counters.sendErrors;
      someHeld = true;
    }
    metIcmp = false;
    ++next;
    retriesOfMessage = 0;
  }
  queued_ = 0;
  // Who has sent is known before the next messages take the place of these.
  publishTouched(context);
  record_.count.set(0);
}

void LegSocket::publishTouched(ShardContext& context) {
  for (Fork* fork : touched_) fork->publish(context);
  touched_.clear();
}

void LegSocket::giveBack(ShardContext& context, size_t from) {
  blocked_ = true;
  for (size_t i = from; i < queued_; ++i) items_[i].fork->fallBehind(context, items_[i].index);
}

void LegSocket::sendRtcp(ShardContext& context, Fork& fork, const uint8_t* data, size_t size) {
  const bool muxed = fork.rtp() == fork.rtcp();
  const int fd = muxed ? sockets_.rtp.fd.get() : sockets_.rtcp.fd.get();
  const Address& to = fork.rtcp();
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (sendto(fd, data, size, MSG_DONTWAIT, to.raw(), to.length()) >= 0) {
      ++context.counters.rtcpOut;
      return;
    }
    if (!mayBePending(errno)) break;
    drainErrors(context, fd, muxed);
  }
  ++context.counters.sendErrors;
}

void LegSocket::onRtpReady(ShardContext& context) {
  drainErrors(context, sockets_.rtp.fd.get(), true);
  receive(context, sockets_.rtp.fd.get(), rtpReads_);
}

void LegSocket::onRtcpReady(ShardContext& context) {
  drainErrors(context, sockets_.rtcp.fd.get(), false);
  receive(context, sockets_.rtcp.fd.get(), rtcpReads_);
}

void LegSocket::receive(ShardContext& context, int fd, ReadState& state) {
  const uint32_t before = state.drops;
  const SocketKind kind = fd == sockets_.rtp.fd.get() ? SocketKind::kLegRtp : SocketKind::kLegRtcp;
  const size_t count = context.batch.receive(fd, state, BatchRecord::ownerOf(kind, number_));
  context.counters.kernelDrops += state.drops - before;
  takeBatch(context, count);
}

void LegSocket::takeLeft(ShardContext& context) {
  ReadState state;
  takeBatch(context, context.batch.receiveLeft(state));
}

void LegSocket::skipDrops() {
  rtpReads_.drops = dropsOf(sockets_.rtp.fd.get());
  rtcpReads_.drops = dropsOf(sockets_.rtcp.fd.get());
}

void LegSocket::takeBatch(ShardContext& context, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Datagram& datagram = context.batch[i];
    if (datagram.truncated || !isRtcp(datagram.data, datagram.size)) {
      context.countRefusal(Refusal::kMalformedRtcp);
      continue;
    }
    auto found = byRtcp_.find(*datagram.from);
    if (found == byRtcp_.end()) {
      found = byRtp_.find(*datagram.from);
      if (found == byRtp_.end()) {
        if (former_.knows(*datagram.from, context.monotonicNow)) {
          ++context.counters.rtcpIn;
        } else {
          context.countRefusal(Refusal::kStranger);
        }
        continue;
      }
    }
    ++context.counters.rtcpIn;
    found->second->onRtcp(context, datagram.data, datagram.size, datagram.arrivalNs);
  }
  publishTouched(context);
  context.batch.done();
}

size_t LegSocket::drainErrors(ShardContext& context, int fd, bool rtp) {
  std::array<mmsghdr, kErrorsPerRead> messages{};
  std::array<iovec, kErrorsPerRead> vectors;
  std::array<Address, kErrorsPerRead> names;
  struct alignas(8) Control {
    char bytes[256];
  };
  std::array<Control, kErrorsPerRead> controls;
  std::array<std::array<uint8_t, kQuotedBytes>, kErrorsPerRead> quoted;
  size_t drained = 0;
  for (int read = 0; read < kErrorReadsMax; ++read) {
    for (size_t i = 0; i < kErrorsPerRead; ++i) {
      vectors[i] = {quoted[i].data(), kQuotedBytes};
      msghdr& header = messages[i].msg_hdr;
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
      header.msg_name = names[i].raw();
      header.msg_namelen = Address::capacity();
      header.msg_control = controls[i].bytes;
      header.msg_controllen = sizeof controls[i].bytes;
    }
    const int count =
        recvmmsg(fd, messages.data(), kErrorsPerRead, MSG_ERRQUEUE | MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) {
      const size_t size = std::min<size_t>(messages[i].msg_len, kQuotedBytes);
      onIcmp(context, messages[i].msg_hdr, names[i], quoted[i].data(), size, rtp);
      ++drained;
    }
    if (count < static_cast<int>(kErrorsPerRead)) break;
  }
  return drained;
}

void LegSocket::onIcmp(ShardContext& context, msghdr& header, const Address& to,
                       const uint8_t* quoted, size_t size, bool rtp) {
  ++context.counters.icmpErrors;
  sock_extended_err error{};
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (v4 || v6) memcpy(&error, CMSG_DATA(c), sizeof error);
  }
  // A recorder without RTCP refuses the RTCP port and is none the worse.
  if (!rtp || !meansUnreachable(error) || header.msg_namelen == 0) return;
  const auto found = byRtp_.find(to);
  if (found == byRtp_.end()) return;
  Fork& fork = *found->second;
  // Anybody can send ICMP: it proves something if it quotes what only those know who saw the
  // packet.
  const bool isOurs = size >= kRtpHeaderBytes && !looksLikeRtcp(quoted, size) &&
                      read32(quoted + 8) == fork.port().ssrc();
  fork.onUnreachable(context, isOurs ? std::optional(read16(quoted + 2)) : std::nullopt);
}

}  // namespace tandem
