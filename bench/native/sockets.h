#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

namespace bench {

inline constexpr int kBufferBytes = 16 << 20;
inline constexpr int kPairTries = 1'000;

[[noreturn]] inline void die(const std::string& what) {
  fprintf(stderr, "load: %s\n", what.c_str());
  exit(1);
}

[[noreturn]] inline void dieErrno(const std::string& what) { die(what + ": " + strerror(errno)); }

inline in_addr parseIp(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) die("not an IPv4 address: " + text);
  return address;
}

/** As large as we may: beyond net.core.*mem_max with CAP_NET_ADMIN only. */
inline void enlargeBuffers(int fd) {
  const int wanted = kBufferBytes;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  }
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  }
}

/**
 * RTP and RTCP on neighbouring ports of every local address. One socket thus stands for all
 * addresses in 127.0.0.0/8 and is read and written in batches, so that the load costs little beside
 * what it measures.
 */
struct SocketPair {
  int rtp = -1;
  int rtcp = -1;
  uint16_t port = 0;
};

inline int bindAny(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) dieErrno("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno != EADDRINUSE) dieErrno("bind");
  close(fd);
  return -1;
}

inline SocketPair openPair() {
  for (int tries = 0; tries < kPairTries; ++tries) {
    SocketPair pair;
    pair.rtp = bindAny(0);
    if (pair.rtp < 0) continue;
    sockaddr_in local{};
    socklen_t length = sizeof local;
    if (getsockname(pair.rtp, reinterpret_cast<sockaddr*>(&local), &length) != 0)
      dieErrno("getsockname");
    pair.port = ntohs(local.sin_port);
    // RTP takes the even port (RFC 3550 section 11).
    if (pair.port % 2 == 0) pair.rtcp = bindAny(static_cast<uint16_t>(pair.port + 1));
    if (pair.rtcp < 0) {
      close(pair.rtp);
      continue;
    }
    const int on = 1;
    for (const int fd : {pair.rtp, pair.rtcp}) {
      enlargeBuffers(fd);
      setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
      setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
      setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
    return pair;
  }
  die("no free pair of ports");
}

}  // namespace bench
