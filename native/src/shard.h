#pragma once

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>
#include <unordered_map>
#include <vector>

#include "beats.h"
#include "capture.h"
#include "error.h"
#include "fork.h"
#include "inventory.h"
#include "leg_socket.h"
#include "pace_round.h"
#include "port.h"
#include "relay.h"
#include "shard_context.h"
#include "unique_fd.h"

namespace tandem {

struct ShardOptions {
  uint32_t index;
  double catchUpRate;
  int64_t rtcpIntervalNs;
  std::string cname;
  /** Absent where nobody looks whether it hangs. */
  Beat* beat = nullptr;
};

struct AdoptedLeg {
  int family;
  size_t streamIndex;
  UdpPair sockets;
};

struct AdoptedPort {
  uint32_t id;
  size_t slot;
  UdpPair sockets;
  /** Why it cannot be restored, if it cannot. */
  std::string failed = {};
};

/** What a thread takes over besides the memory: sockets, by what the memory says of them. */
struct AdoptedShard {
  std::vector<AdoptedLeg> legs;
  std::vector<AdoptedPort> ports;
};

/**
 * One edge thread with everything that lives on it. Nothing here is locked: JavaScript's commands
 * are run by the thread itself, between two wake-ups, while the JavaScript thread waits. The edge
 * thread never waits for JavaScript.
 */
class Shard {
 public:
  Shard(const ShardOptions& options, EdgeMemory& memory, EventSink& events);
  /** A predecessor's, which does nothing before it is restored. */
  Shard(const ShardOptions& options, EdgeMemory& memory, EventSink& events, UdpSocket relay);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  const RelaySocket& relay() const { return relay_; }

  /** From the JavaScript thread: runs `body(shard)` on the edge thread and returns what it returns,
   * or throws EdgeError. */
  template <typename Body>
  auto run(Body&& body) {
    using Result = std::invoke_result_t<Body, Shard&>;
    std::optional<EdgeError> error;
    if constexpr (std::is_void_v<Result>) {
      submit([&] { attempt(error, [&] { body(*this); }); });
      if (error) throw EdgeError(*error);
    } else {
      std::optional<Result> result;
      submit([&] { attempt(error, [&] { result.emplace(body(*this)); }); });
      if (error) throw EdgeError(*error);
      return std::move(*result);
    }
  }
  /** `run` in two steps, so that several shards can work at once: between them the command must
   * stay where it is. */
  void begin(const std::function<void()>& command);
  void finish();
  /** What `body` throws is left in `error`. */
  template <typename Body>
  static void attempt(std::optional<EdgeError>& error, Body&& body) {
    try {
      body();
    } catch (const EdgeError& thrown) {
      error = thrown;
    } catch (const std::exception& thrown) {
      error = EdgeError("EDGE_FAILED", thrown.what());
    }
  }
  /** From the JavaScript thread, which does not wait for it. One that cannot be watched raises
   * `capture-failed`. */
  void sendCapture(std::unique_ptr<Capture> capture);
  void stop();

  // On the edge thread, by command.
  /** Of a predecessor's ports and forks, those that can be. Returns the chunks of their lists. */
  std::vector<uint32_t> restore(AdoptedShard& from);
  void giveChunks(const std::vector<uint32_t>& chunks);
  void addLegSocket(int family, size_t streamIndex, UdpPair sockets);
  void addPort(std::unique_ptr<Port> port);
  StreamReport closePort(uint32_t id);
  Port& port(uint32_t id);
  void setRoute(const PortRoute& route);
  /** Ports that lead through mediasoup go around it, as if nothing came back any more. */
  void bypassRelays();
  void addFork(uint32_t id, ForkLease lease, uint32_t portId, size_t streamIndex,
               const Address& rtp, const Address& rtcp, const ForkStart& from,
               std::optional<uint64_t> pausedFrom, std::vector<KeptOut> keptOut);
  void setForkTarget(uint32_t id, const Address& rtp, const Address& rtcp);
  ForkReport endFork(uint32_t id);
  ForkReport removeFork(uint32_t id);
  bool hasFork(uint32_t id) const { return forks_.contains(id); }
  Fork& fork(uint32_t id);
  CaptureReport closeCapture(uint32_t id);
  Capture& capture(uint32_t id);
  void addInventory(Inventory& inventory) const;
  StreamReport report(const Port& port) const;
  ForkReport report(Fork& fork);
  void setRemote(uint32_t id, const PortRemote& remote);

 private:
  struct Leg {
    int family;
    size_t streamIndex;
    std::unique_ptr<LegSocket> socket;
  };

  void prepare(const ShardOptions& options);
  void startThread();
  void restorePort(AdoptedPort& from, std::vector<uint32_t>& chunks);
  void restoreRoute(Port& port);
  void restoreHandedOver(Port& from, HandedOver::Bounds bounds, uint32_t peerId);
  void restoreFork(uint32_t id, size_t slot, std::vector<uint32_t>& chunks);
  /** What a predecessor sent in its last flushes. */
  void takeSentToLegs();
  /** What it had received last, and was about to hand to mediasoup. */
  void takeLeftBatch();
  void lead(Port& from, const PortRoute& route);
  void submit(const std::function<void()>& command);
  void loop();
  int timeoutMs() const;
  bool hasWorkLeft() const { return !context_.dirty.empty() || !paceRound_.isOver(); }
  void sendToLegs();
  void offerToForks();
  /** True when every fork that is behind has had its turn. */
  bool paceForks();
  /** Sends what a fork that is not behind has not been offered yet. */
  void finishFork(Fork& fork);
  void finishForks(Port& port);
  void runTick();
  /** What was touched is shown as it is now. */
  void publish();
  void runCommand();
  void addCaptures();
  void watch(int fd, Source* source);
  Leg& legFor(int family, size_t streamIndex);
  size_t streamIndexOf(const LegSocket& leg) const;

  const uint32_t index_;
  Beat* const beat_;
  ShardContext context_;
  RelaySocket relay_;
  UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  UniqueFd wake_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::vector<Leg> legs_;
  std::unordered_map<uint32_t, std::unique_ptr<Port>> ports_;
  std::unordered_map<uint32_t, std::unique_ptr<Fork>> forks_;
  std::unordered_map<uint32_t, std::unique_ptr<Capture>> captures_;
  int64_t nextPaceNs_ = 0;
  PaceRound paceRound_;
  /** What forks behind may send in this round in all. */
  size_t paceBudget_ = 0;
  int64_t nextTickNs_ = 0;

  std::mutex arrivingMutex_;
  std::vector<std::unique_ptr<Capture>> arriving_;
  std::atomic<const std::function<void()>*> command_{nullptr};
  std::atomic<bool> stopping_{false};
  std::binary_semaphore done_{0};
  std::thread thread_;
};

}  // namespace tandem
