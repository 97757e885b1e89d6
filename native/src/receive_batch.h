#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>

#include "address.h"
#include "limits.h"

namespace tandem {

struct Datagram {
  uint8_t* data;
  size_t size;
  Address from;
  /** Kernel receive time, Unix nanoseconds. */
  int64_t arrivalNs;
  bool truncated;
};

/** Buffers for one recvmmsg, made once a thread. */
class ReceiveBatch {
 public:
  ReceiveBatch();

  /** Reads what is there, at most kReceiveBatch datagrams. `kernelDrops` is the socket's running
   * count (SO_RXQ_OVFL). */
  size_t receive(int fd, uint32_t& kernelDrops);

  Datagram& operator[](size_t i) { return datagrams_[i]; }

 private:
  struct alignas(8) Control {
    char bytes[CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(uint32_t)) + 64];
  };

  std::unique_ptr<uint8_t[]> memory_;
  std::array<mmsghdr, kReceiveBatch> messages_{};
  std::array<iovec, kReceiveBatch> vectors_{};
  std::array<Control, kReceiveBatch> controls_{};
  std::array<Datagram, kReceiveBatch> datagrams_{};
};

}  // namespace tandem
