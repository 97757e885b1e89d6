#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "address.h"
#include "limits.h"
#include "reports.h"
#include "shm_cell.h"

namespace tandem {

// What an edge thread has in its hands at the moment, as it lies in shared memory: datagrams that
// it has taken from the kernel and not yet made something of, and messages that it is about to
// send. The kernel writes `msg_len`, which is zeroed before each call, so that a successor knows
// what was received and what was sent. Pointers in it are those of the process that wrote them.

enum class SocketKind : uint32_t { kNone, kPortRtp, kPortRtcp, kRelay, kLegRtp, kLegRtcp, kOther };

struct alignas(8) ControlBytes {
  char bytes[CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(uint32_t)) + 64];
};

/** One recvmmsg. */
struct BatchRecord {
  /** Counts the calls. */
  uint64_t number;
  /** Whose it is, by kind and slot, while its datagrams are not yet accounted for. */
  std::atomic<uint64_t> owner;
  /** Of its datagrams, which have been sent on to the other party: a bit each. */
  SharedCount sentOn;
  std::array<mmsghdr, kReceiveBatch> messages;
  std::array<Address, kReceiveBatch> from;
  std::array<ControlBytes, kReceiveBatch> controls;
  std::array<std::array<uint8_t, kDatagramMax>, kReceiveBatch> data;

  static uint64_t ownerOf(SocketKind kind, uint64_t slot) {
    return slot << 8 | static_cast<uint64_t>(kind);
  }
};

/** One sendmmsg of what of a batch goes to the other party. */
struct PartySendRecord {
  uint64_t batch;
  SharedCount count;
  std::array<uint64_t, kReceiveBatch> datagrams;
  std::array<mmsghdr, kReceiveBatch> messages;
};

/** One sendmmsg from a leg socket. */
struct LegSendRecord {
  struct Item {
    uint32_t forkSlot;
    uint32_t forkId;
    uint64_t index;
    uint64_t replayed;
  };

  /** Counts the calls, and names the last of them in the forks that know what became of it. */
  uint64_t flush;
  SharedCount count;
  std::array<Item, kSendBatch> items;
  std::array<mmsghdr, kSendBatch> messages;
};

/** One sendmmsg to mediasoup. */
struct RelaySendRecord {
  struct Item {
    uint32_t portSlot;
    uint32_t portId;
    uint64_t index;
  };

  SharedCount count;
  std::array<Item, kSendBatch> items;
  std::array<mmsghdr, kSendBatch> messages;
};

struct ShardRecord {
  Counters counters;
  uint64_t captures;
  BatchRecord batch;
  PartySendRecord party;
  RelaySendRecord relay;
  /** In the order of the header's list, of those of this thread. */
  std::array<LegSendRecord, kLegStreams * 2> legs;
};

}  // namespace tandem
