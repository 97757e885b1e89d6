// A view on memory that somebody has written anything into.

#include <memory>

#include "edge_memory.h"
#include "error.h"
#include "fuzz.h"
#include "shm_ranges.h"
#include "view.h"

namespace tandem {

namespace {

constexpr uint32_t kPortId = 64;
constexpr uint32_t kForkId = 128;

/** A port with a fork, as an edge leaves them. */
class SmallEdge {
 public:
  SmallEdge() : memory_(EdgeMemory::make(settings(), "")), chunks_(memory_) {
    Ranges ranges;
    for (uint64_t i = 0; i < 200; ++i) ranges.add(kFirstCycle + 2 * i, static_cast<int64_t>(i));
    const size_t port = memory_.takePort();
    PortSlot& portSlot = memory_.map().port(port);
    PortIngress ingress{};
    ingress.started = 1;
    ingress.packets = 200;
    ingress.highest = kFirstCycle + 398;
    ingress.received = received_.update(chunks_, ranges);
    fillRing(port, ingress);
    portSlot.ingress.stage(ingress);
    portSlot.ingress.show();
    PortAccount account{};
    account.dropped = dropped_.update(chunks_, ranges);
    portSlot.account.publish(account);
    memory_.showPort(port, kPortId);
    const size_t fork = memory_.takeFork();
    ForkSlot& forkSlot = memory_.map().fork(fork);
    forkSlot.portSlot = static_cast<uint32_t>(port);
    forkSlot.portId = kPortId;
    forkSlot.progress.publish(progress(ranges));
    forkSlot.account.publish(forkAccount(ranges));
    memory_.showFork(fork, kForkId);
    memory_.announce();
  }

  const MappedMemory& map() const { return memory_.map(); }
  int fd() const { return memory_.fd(); }

  /** Where anything may be written, in turn. */
  std::pair<uint8_t*, size_t> region(uint8_t number) const {
    const MappedMemory& map = memory_.map();
    const auto bytes = [](auto& at) {
      return std::pair(reinterpret_cast<uint8_t*>(&at), sizeof at);
    };
    switch (number % 8) {
      case 0:
        return bytes(map.header());
      case 1:
        return bytes(map.port(0));
      case 2:
        return bytes(map.fork(0));
      case 3:
        return bytes(map.chunk(1 + number / 8 % 32));
      case 4:
        return bytes(map.portId(0));
      case 5:
        return bytes(map.forkId(0));
      case 6:
        return {map.ring(0) + 4 * kDatagramMax, 200 * sizeof(RingEntry)};
      default:
        return bytes(map.shard(0).counters);
    }
  }

 private:
  static EdgeSettings settings() {
    EdgeSettings settings{};
    settings.threads = 1;
    settings.portMin = 1;
    settings.portMax = 2;
    settings.ringKeepNs = kNsPerSecond;
    settings.ringBytes = 4 * kDatagramMax;
    settings.catchUpRate = 4;
    settings.rtcpIntervalNs = kNsPerSecond;
    return settings;
  }

  void fillRing(size_t port, PortIngress& ingress) {
    auto* entries = reinterpret_cast<RingEntry*>(memory_.map().ring(port) + 4 * kDatagramMax);
    for (uint64_t i = 0; i < 200; ++i)
      entries[i] = {static_cast<int64_t>(i), kFirstCycle + 2 * i, 0, 172, 12};
    ingress.ringHead = 200;
  }

  ForkProgress progress(Ranges& ranges) {
    ForkProgress progress{};
    progress.pulse.cursor = 200;
    progress.pulse.state = static_cast<uint64_t>(ForkState::kLive);
    progress.pulse.sentPackets = 200;
    progress.sent = sent_.update(chunks_, ranges);
    progress.sentLast = kFirstCycle + 398;
    return progress;
  }

  ForkAccount forkAccount(Ranges& ranges) {
    ForkAccount account{};
    account.replayed = replayed_.update(chunks_, ranges);
    SpanList spans;
    for (const Range& range : ranges.list()) spans.push_back({range.first, range.last});
    account.confirmed = confirmed_.update(chunks_, spans, 0);
    account.judge.hasLast = 1;
    account.judge.last.highest = kFirstCycle + 398;
    account.judge.base.highest = kFirstCycle + 100;
    account.hasReceiverReport = 1;
    account.receiverReport.isFinal = 1;
    return account;
  }

  EdgeMemory memory_;
  ShardChunks chunks_;
  SharedRanges received_;
  SharedRanges dropped_;
  SharedRanges sent_;
  SharedRanges replayed_;
  SharedList<Span> confirmed_;
};

template <typename Look>
bool survives(Look&& look) {
  try {
    look();
    return true;
  } catch (const EdgeError&) {
    return false;
  }
}

bool lookAtAll(int fd) {
  return survives([fd] {
    UniqueFd copy(dup(fd));
    OpenedView opened(std::move(copy));
    View& view = opened.view();
    survives([&] { view.streamReports({kPortId}); });
    survives([&] { view.forkReports({kForkId}); });
    survives([&] { view.sequencesAt({kPortId}, 100); });
    survives([&] { view.forkSigns(); });
    survives([&] { view.lastHeard(); });
    survives([&] { view.relayStalls(); });
    survives([&] { view.counters(); });
    survives([&] { view.relayAddress(0); });
    survives([&] { view.legAddress(0, 0, AF_INET); });
  });
}

}  // namespace

// Of five bytes each: where, and what is written there.
bool fuzzMemory(const uint8_t* data, size_t size) {
  static const auto edge = std::make_unique<SmallEdge>();
  struct Before {
    uint8_t* at;
    uint8_t byte;
  };
  std::vector<Before> before;
  for (size_t i = 0; i + 5 <= size; i += 5) {
    const auto [from, bytes] = edge->region(data[i]);
    uint8_t* at = from + (static_cast<size_t>(data[i + 1]) << 16 |
                          static_cast<size_t>(data[i + 2]) << 8 | data[i + 3]) %
                             bytes;
    before.push_back({at, *at});
    *at = data[i + 4];
  }
  const bool opened = lookAtAll(edge->fd());
  for (auto each = before.rbegin(); each != before.rend(); ++each) *each->at = each->byte;
  return opened;
}

}  // namespace tandem
