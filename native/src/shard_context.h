#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

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
  explicit ShardContext(EventSink& sink) : events(sink) {}

  void countRefusal(Refusal reason) { counters.refused.add(reason); }

  EventSink& events;
  ReceiveBatch batch;
  Counters counters;
  RelaySocket* relay = nullptr;
  /** Ports that took packets which their forks were not all offered yet, in the order in which
   * these came. */
  std::vector<Port*> dirty;
  std::vector<Fork*> catchingUp;
  std::vector<Capture*> dirtyCaptures;
  double catchUpRate = 4;
  int64_t rtcpIntervalNs = 0;
  std::string cname;
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
