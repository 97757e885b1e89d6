#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "packet.h"
#include "sender.h"
#include "sockets.h"

namespace bench {

/** What of one stream came to one place. */
class Arrivals {
 public:
  uint32_t received = 0;
  uint32_t duplicates = 0;
  /** Came after one with a higher number. */
  uint32_t reordered = 0;

  void add(uint32_t number) {
    const size_t word = number / 64;
    if (word >= seen_.size()) seen_.resize(word + 64);
    const uint64_t bit = 1ULL << (number % 64);
    if ((seen_[word] & bit) != 0) {
      ++duplicates;
      return;
    }
    seen_[word] |= bit;
    ++received;
    if (number < next_) {
      ++reordered;
    } else {
      next_ = number + 1;
    }
  }

 private:
  std::vector<uint64_t> seen_;
  uint32_t next_ = 0;
};

/** The parties together, or one recorder: a place where every stream is to arrive once. */
struct Place {
  SocketPair sockets;
  /** By stream. */
  std::vector<Arrivals> arrivals;
  uint64_t rtcpPackets = 0;
  /** Not ours, or changed on the way. */
  uint64_t foreignPackets = 0;
  uint64_t damagedPackets = 0;
  /** Came to another party than the peer of the one who sent it. */
  uint64_t misroutedPackets = 0;
  /** Dropped because this program did not read fast enough: not the fault of what is measured. */
  uint32_t kernelDrops = 0;
};

/** Reads every place; the first is the parties'. */
class Receiver {
 public:
  Receiver(std::vector<Place>& places, const std::vector<Stream>& streams, const Window& window)
      : places_(places),
        streams_(streams),
        window_(window),
        memory_(new uint8_t[kBatch * kDatagramMax]) {
    for (uint32_t i = 0; i < streams.size(); ++i) byAddress_.emplace(streams[i].from.s_addr, i);
    for (size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {memory_.get() + i * kDatagramMax, kDatagramMax};
      msghdr& header = messages_[i].msg_hdr;
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = controls_[i].bytes;
    }
    delaysNs_.reserve(1 << 20);
  }

  void run(const std::atomic<bool>& stopping) {
    std::vector<pollfd> polled;
    for (const Place& place : places_) {
      polled.push_back({place.sockets.rtp, POLLIN, 0});
      polled.push_back({place.sockets.rtcp, POLLIN, 0});
    }
    while (!stopping.load(std::memory_order_relaxed)) {
      if (poll(polled.data(), polled.size(), 50) <= 0) continue;
      for (size_t i = 0; i < polled.size(); ++i) {
        if ((polled[i].revents & POLLIN) != 0) drain(places_[i / 2], polled[i].fd, i < 2);
      }
      // Receive times are the kernel's: waiting a little makes batches and falsifies nothing.
      const timespec pause{0, kPauseNs};
      nanosleep(&pause, nullptr);
    }
  }

  /** Party to party, of packets sent within the window. Call when the receiver has stopped. */
  std::vector<uint32_t>& delaysNs() { return delaysNs_; }

 private:
  static constexpr size_t kBatch = 256;
  static constexpr size_t kDatagramMax = 2'048;
  static constexpr long kPauseNs = 1'000'000;
  /** Batches read from one socket before the next one's turn. */
  static constexpr int kRounds = 16;

  void drain(Place& place, int fd, bool isParty) {
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < kBatch; ++i)
        messages_[i].msg_hdr.msg_controllen = sizeof controls_[i].bytes;
      const int count = recvmmsg(fd, messages_, kBatch, MSG_DONTWAIT, nullptr);
      for (int i = 0; i < count; ++i) take(place, static_cast<size_t>(i), isParty);
      if (count < static_cast<int>(kBatch)) return;
    }
  }

  void take(Place& place, size_t slot, bool isParty) {
    int64_t arrivedNs = 0;
    in_addr to{};
    msghdr& header = messages_[slot].msg_hdr;
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
        timespec ts;
        memcpy(&ts, CMSG_DATA(c), sizeof ts);
        arrivedNs = ts.tv_sec * kNsPerSecond + ts.tv_nsec;
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
        memcpy(&place.kernelDrops, CMSG_DATA(c), sizeof place.kernelDrops);
      } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        to = info.ipi_addr;
      }
    }
    Mark mark{};
    const auto* data = static_cast<const uint8_t*>(vectors_[slot].iov_base);
    switch (readPacket(data, messages_[slot].msg_len, mark)) {
      case Kind::kRtcp:
        ++place.rtcpPackets;
        return;
      case Kind::kForeign:
        ++place.foreignPackets;
        return;
      case Kind::kDamaged:
        ++place.damagedPackets;
        return;
      case Kind::kTest:
        break;
    }
    if (mark.stream >= streams_.size()) {
      ++place.foreignPackets;
      return;
    }
    if (isParty && !isPeer(to, mark.stream)) {
      ++place.misroutedPackets;
      return;
    }
    place.arrivals[mark.stream].add(mark.number);
    const auto sentNs = static_cast<int64_t>(mark.sentNs);
    if (isParty && sentNs >= window_.beginNs.load(std::memory_order_relaxed) &&
        sentNs < window_.endNs.load(std::memory_order_relaxed)) {
      delaysNs_.push_back(
          static_cast<uint32_t>(std::clamp<int64_t>(arrivedNs - sentNs, 0, UINT32_MAX)));
    }
  }

  bool isPeer(in_addr to, uint32_t stream) const {
    const auto found = byAddress_.find(to.s_addr);
    return found != byAddress_.end() && streams_[stream].peer == found->second;
  }

  struct alignas(8) Control {
    char bytes[128];
  };

  std::vector<Place>& places_;
  const std::vector<Stream>& streams_;
  const Window& window_;
  std::unordered_map<uint32_t, uint32_t> byAddress_;
  std::vector<uint32_t> delaysNs_;
  std::unique_ptr<uint8_t[]> memory_;
  mmsghdr messages_[kBatch]{};
  iovec vectors_[kBatch]{};
  Control controls_[kBatch]{};
};

}  // namespace bench
