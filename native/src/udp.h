#pragma once

#include <string>
#include <vector>

#include "address.h"
#include "unique_fd.h"

namespace tandem {

struct UdpSocket {
  UniqueFd fd;
  Address local;
};

/** RTP on the even port, RTCP on the odd one above it (RFC 3550 section 11). */
struct UdpPair {
  UdpSocket rtp;
  UdpSocket rtcp;
};

struct UdpOptions {
  int receiveBufferBytes;
  int sendBufferBytes = 0;
  /** ICMP errors are read back from the error queue. */
  bool reportErrors = false;
};

/** Bound, non-blocking, with kernel receive times. Throws EdgeError; returns an invalid fd if the
 * port is taken. */
UdpSocket bindUdp(Address local, const UdpOptions& options);

/** Datagrams that the kernel has dropped at this socket so far. */
uint32_t dropsOf(int fd);

/** Hands out pairs of ports in rotation, so that a port just freed is not at once another call's.
 */
class PortRange {
 public:
  PortRange(uint16_t min, uint16_t max);

  /** Throws NO_PORT when every pair is taken, by us or by another process. */
  UdpPair open(const Address& host, const UdpOptions& options);
  /** A pair that nobody outside can guess: for sockets whose ports stay the same for long. */
  UdpPair openAnywhere(const Address& host, const UdpOptions& options);
  void release(uint16_t rtpPort);
  /** A pair that is open already; one out of the range is nobody's. */
  void claim(uint16_t rtpPort);

 private:
  uint16_t first_;
  std::vector<bool> used_;
  size_t next_ = 0;
};

}  // namespace tandem
