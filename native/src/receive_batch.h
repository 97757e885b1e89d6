#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "address.h"
#include "arrival_clock.h"
#include "limits.h"
#include "receive_state.h"
#include "shard_record.h"

namespace tandem {

/** Stands for the place in the batch of what did not come in one. */
inline constexpr size_t kNoDatagram = SIZE_MAX;

struct Datagram {
  uint8_t* data;
  size_t size;
  /** In its batch. */
  size_t index;
  const Address* from;
  /** When the kernel received it, by the edge's clock. */
  int64_t arrivalNs;
  /** The same as the machine's clock had it. */
  int64_t wallNs;
  /** That the kernel dropped between the one before and this one, because the socket was full
   * (SO_RXQ_OVFL: the count goes with each datagram as it is queued). */
  uint32_t droppedBefore;
  bool truncated;
};

/** Buffers for one recvmmsg, one of these a thread. They lie where a successor finds them. */
class ReceiveBatch {
 public:
  explicit ReceiveBatch(BatchRecord& record);

  /** Reads what is there, at most kReceiveBatch datagrams. @param owner who accounts for them: see
   * `BatchRecord::ownerOf` */
  size_t receive(int fd, ReadState& state, uint64_t owner);
  /** They are accounted for. */
  void done() { record_.owner.store(0, std::memory_order_release); }
  /** What a predecessor had received and not accounted for; 0: nothing. */
  uint64_t left() const { return record_.owner.load(std::memory_order_relaxed); }
  /** The same once more, as far as it had come. */
  size_t receiveLeft(ReadState& state);

  uint64_t number() const { return record_.number; }
  /** A datagram of the batch has been sent on to the other party. */
  void sentOn(size_t index) {
    if (index != kNoDatagram) record_.sentOn.add(uint64_t{1} << index);
  }
  bool wasSentOn(size_t index) const {
    return index != kNoDatagram && (record_.sentOn.get() >> index & 1) != 0;
  }

  Datagram& operator[](size_t i) { return datagrams_[i]; }

 private:
  void readControl(size_t i, ReadState& state);

  ArrivalClock clock_;
  BatchRecord& record_;
  size_t lastCount_ = 0;
  std::array<iovec, kReceiveBatch> vectors_{};
  std::array<Datagram, kReceiveBatch> datagrams_{};
};

}  // namespace tandem
