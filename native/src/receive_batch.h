#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>

#include "address.h"
#include "arrival_clock.h"
#include "limits.h"

namespace tandem {

struct Datagram {
  uint8_t* data;
  size_t size;
  Address from;
  /** When the kernel received it, by the edge's clock. */
  int64_t arrivalNs;
  /** The same as the machine's clock had it. */
  int64_t wallNs;
  /** That the kernel dropped between the one before and this one, because the socket was full
   * (SO_RXQ_OVFL: the count goes with each datagram as it is queued). */
  uint32_t droppedBefore;
  bool truncated;
};

/** How far one socket has been read. */
struct ReadState {
  /** As the last datagram told it. */
  uint32_t drops = 0;
  /** What is still to be read came then or later. */
  int64_t notBeforeNs = 0;
};

/** Buffers for one recvmmsg, made once a thread. */
class ReceiveBatch {
 public:
  ReceiveBatch();

  /** Reads what is there, at most kReceiveBatch datagrams. */
  size_t receive(int fd, ReadState& state);

  Datagram& operator[](size_t i) { return datagrams_[i]; }

 private:
  struct alignas(8) Control {
    char bytes[CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(uint32_t)) + 64];
  };

  void readControl(size_t i, ReadState& state);

  ArrivalClock clock_;
  std::unique_ptr<uint8_t[]> memory_;
  std::array<mmsghdr, kReceiveBatch> messages_{};
  std::array<iovec, kReceiveBatch> vectors_{};
  std::array<Control, kReceiveBatch> controls_{};
  std::array<Datagram, kReceiveBatch> datagrams_{};
};

}  // namespace tandem
