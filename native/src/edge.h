#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "clock_rates.h"
#include "edge_memory.h"
#include "events.h"
#include "inventory.h"
#include "latch.h"
#include "shard.h"
#include "udp.h"
#include "view.h"

namespace tandem {

struct EdgeOptions {
  uint32_t threads;
  std::vector<Address> legHosts;
  uint16_t portMin;
  uint16_t portMax;
  RingLimits ring;
  double catchUpRate;
  int64_t rtcpIntervalNs;
  std::string cname;
  /** See `EdgeMemory::make`. */
  std::string memoryFile = {};
};

struct OpenedPort {
  uint32_t portId;
  Address rtp;
  Address rtcp;
  uint32_t ssrc;
};

struct AddForkOptions {
  uint32_t portId;
  uint32_t streamIndex;
  Address rtp;
  Address rtcp;
  ForkStart from;
  std::optional<uint64_t> pausedFrom;
  std::vector<KeptOut> keptOut;
};

struct CaptureRemote {
  Address rtp;
  Address rtcp;
  /** It asks for reports by range (RFC 3611). */
  bool reportRanges;
};

struct CaptureStreamOptions {
  CaptureRemote remote;
  std::string label;
  ClockRates clockRates;
};

struct OpenCaptureOptions {
  std::string file;
  Address host;
  LatchPolicy latch;
  std::string comment;
  std::vector<CaptureStreamOptions> streams;
};

struct OpenedCapture {
  uint32_t captureId;
  std::vector<std::pair<Address, Address>> streams;
};

/** All shards, seen from the JavaScript thread, which alone opens sockets and hands out ports and
 * ids. */
class Edge {
 public:
  /** @param beats of its threads, where somebody looks */
  Edge(const EdgeOptions& options, EventSink& events, WorkerBeats* beats = nullptr);
  /**
   * Goes on with what a process that is gone left: ids, SSRCs, numbers, cursors, accounts. A port
   * or a fork that cannot be read, or whose sockets are not among these, goes; sockets that nobody
   * has a use for are closed. The first edge of its process, whose clock becomes that of its
   * predecessor. Throws EDGE_MEMORY, or EDGE_FAILED where the sockets of a thread are missing.
   *
   * @param memoryFile by which others open the memory, if it has a name
   */
  Edge(UniqueFd memory, std::vector<UniqueFd> sockets, EventSink& events,
       const std::string& memoryFile = {}, WorkerBeats* beats = nullptr);
  ~Edge() { close(); }

  /** See precedence.h: of all threads. */
  bool takePrecedence(int niceness);
  uint32_t pickShard() const;
  /** All that is only looked at. */
  View& view();
  const EdgeMemory& memory() const { return memory_; }

  /** Ids that were ever given out. */
  uint64_t idsGiven() const { return memory_.map().header().idCounter; }
  /** Until it is told `nullopt`, the same ids are given out as after so many, and what is there by
   * them is what was to be made: an order that was interrupted is carried out to its end. */
  void beginAgain(std::optional<uint64_t> idsGiven) { again_ = idsGiven; }

  OpenedPort openPort(uint32_t shard, const Address& host, LatchPolicy latch);
  void setRemote(uint32_t portId, const PortRemote& remote);
  /** Those of one thread between two packets. */
  void setRoutes(const std::vector<PortRoute>& routes);
  /** Ports that lead through mediasoup go around it, as when nothing comes back. */
  void bypassRelays();
  StreamReport closePort(uint32_t portId);
  /** Reports on ports, and removes forks. */
  Stock takeStock(const std::vector<uint32_t>& portIds, const std::vector<uint32_t>& forkIds);

  /** All of them, or none. */
  std::vector<uint32_t> addForks(const std::vector<AddForkOptions>& all);
  void setForkTarget(uint32_t forkId, const Address& rtp, const Address& rtcp);
  void pauseFork(uint32_t forkId, uint64_t from);
  void resumeFork(uint32_t forkId);
  std::vector<ForkReport> endForks(const std::vector<uint32_t>& forkIds);
  std::vector<ForkReport> removeForks(const std::vector<uint32_t>& forkIds);

  OpenedCapture openCapture(const OpenCaptureOptions& options);
  void setCaptureRemote(uint32_t captureId, uint32_t streamIndex, const CaptureRemote& remote);
  CaptureReport closeCapture(uint32_t captureId);
  CaptureReport captureReport(uint32_t captureId);

  Inventory inventory();
  uint32_t threads() const { return static_cast<uint32_t>(shards_.size()); }
  /** On each edge thread in turn. */
  void onEveryThread(const std::function<void()>& body);
  /** Closes all ports: their recorders are told goodbye. */
  void endCalls();
  void countDroppedEvents(uint64_t all) { memory_.map().header().droppedEvents.set(all); }
  void close();

 private:
  struct Owned {
    std::vector<uint16_t> rtpPorts;
    int family;
  };

  Shard& shardOf(uint32_t id);
  /** On every shard that one of these ids lives on, at the same time. @param body of a shard and
   * its number */
  template <typename Body>
  void onEach(const std::vector<uint32_t>& ids, Body body);
  /** In as many visits as that takes. `body` is told whose turn it is, and says how many ranges it
   * reports. */
  template <typename Body>
  void onEachInVisits(const std::vector<uint32_t>& ids, Body body);
  /** @param one reports on one id of a shard */
  template <typename Report, typename One>
  std::vector<Report> reportEach(const std::vector<uint32_t>& ids, One one);
  Shard& shardAt(uint32_t index) const;
  uint32_t nextId(uint32_t shard);
  void openLegs(const EdgeOptions& options);
  void release(uint32_t id);

  EdgeMemory memory_;
  View view_{memory_.map()};
  EdgeOptions options_;
  PortRange ports_;
  std::vector<std::unique_ptr<Shard>> shards_;
  /** Ports and captures, with the port numbers that each holds. */
  std::unordered_map<uint32_t, Owned> owned_;
  std::vector<size_t> load_;
  size_t captureCount_ = 0;
  std::optional<uint64_t> again_;
};

}  // namespace tandem
