#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "edge_memory.h"
#include "events.h"
#include "receive_batch.h"
#include "reports.h"

namespace tandem {

class Capture;
class Fork;
class Port;
class RelaySocket;

/** What the objects of one edge thread share. Only that thread touches it, so nothing in it is
 * locked. */
struct ShardContext {
  ShardContext(EventSink& sink, EdgeMemory& sharedMemory, ShardRecord& shardRecord)
      : events(sink),
        memory(sharedMemory),
        record(shardRecord),
        chunks(sharedMemory),
        batch(shardRecord.batch),
        counters(shardRecord.counters) {}

  void countRefusal(Refusal reason) { counters.refused.add(reason); }

  void publishEgress();

  EventSink& events;
  EdgeMemory& memory;
  ShardRecord& record;
  ShardChunks chunks;
  ReceiveBatch batch;
  /** In shared memory. */
  Counters& counters;
  RelaySocket* relay = nullptr;
  /** Ports that took packets which their forks were not all offered yet, in the order in which
   * these came. */
  std::vector<Port*> dirty;
  /** Ports of which something has changed since it was shown. */
  std::vector<Port*> touched;
  /** Ports that sent to their parties, in this batch, what came out of mediasoup. */
  std::vector<Port*> egressTouched;
  std::vector<Fork*> catchingUp;
  std::vector<Capture*> dirtyCaptures;
  double catchUpRate = 4;
  int64_t rtcpIntervalNs = 0;
  std::string cname;
  /** What a predecessor had received is gone through once more. */
  bool isReplay = false;
  int64_t monotonicNow = 0;
  /** Packets to legs, and reports to them, that may still be sent before others have their turn. */
  size_t legSlice = 0;
  size_t reportSlice = 0;
  /** For what should not happen to all forks at once; nothing depends on nobody knowing it. */
  std::minstd_rand random_{std::random_device{}()};
  uint32_t random() { return static_cast<uint32_t>(random_()) << 1; }
};

/** Something that epoll wakes. Objects go only by command, and commands run when all that were
 * woken have been served. */
class Source {
 public:
  virtual ~Source() = default;
  virtual void onReady(ShardContext& context) = 0;
};

/** Lets one object own several descriptors: calls the given member. */
template <typename Owner, void (Owner::*Handler)(ShardContext&)>
class Ready final : public Source {
 public:
  explicit Ready(Owner& owner) : owner_(owner) {}
  void onReady(ShardContext& context) override { (owner_.*Handler)(context); }

 private:
  Owner& owner_;
};

}  // namespace tandem
