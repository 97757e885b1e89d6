#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "shm_layout.h"
#include "unique_fd.h"

namespace tandem {

/**
 * The edge's memory as its one writer has it: makes it, or takes a predecessor's over, and hands
 * out slots and chunks of lists. From any thread.
 */
class EdgeMemory {
 public:
  /** In a new file of that name, which whoever made it takes away again; without a name, in memory
   * that goes with the last descriptor. The file belongs on a file system in memory. */
  static EdgeMemory make(const EdgeSettings& settings, const std::string& file);
  /** Throws EDGE_MEMORY if it is none that this program knows. */
  static EdgeMemory adopt(UniqueFd fd, const std::string& file = {});

  /** What the threads of a predecessor had received last, and not yet made something of, is
   * forgotten. */
  static void dropBatches(int fd);

  const MappedMemory& map() const { return map_; }
  int fd() const { return fd_.get(); }
  /** By which a process of the same user opens it. */
  std::string path() const;
  /** When all is in that a reader wants. */
  void announce();

  /** Of kPortsMax, whose ring is all zero. Throws NO_PORT when there is none, EDGE_FULL when there
   * is no memory for it. Shown when its `id` is. */
  size_t takePort();
  void showPort(size_t slot, uint32_t id);
  void hidePort(size_t slot);
  /** Gives the memory of its ring back to the system. */
  void givePort(size_t slot);
  size_t takeFork();
  void showFork(size_t slot, uint32_t id);
  void hideFork(size_t slot);
  void giveFork(size_t slot);

  /** So many new ones, beginning with that number. */
  uint32_t takeChunks(uint32_t count);
  /** False where the system has none left. */
  bool mayUse(const uint8_t* from, uint64_t bytes);

 private:
  void reserve(const void* from, uint64_t bytes);
  /** So that lists can grow which are there, for as long as new ports and forks are taken. */
  void reserveChunks();
  EdgeMemory(UniqueFd fd, MappedMemory map, std::string file = {});

  UniqueFd fd_;
  MappedMemory map_;
  std::string file_;
  std::mutex mutex_;
  // The lowest last, so that the tables stay as short as can be.
  std::vector<uint32_t> freePorts_;
  std::vector<uint32_t> freeForks_;
  uint64_t chunksReserved_ = 0;
};

/** The chunks of one thread's lists. */
class ShardChunks final : public ListChunks {
 public:
  explicit ShardChunks(EdgeMemory& memory) : memory_(memory) {}

  uint32_t take() override;
  void give(uint32_t chunk) override { free_.push_back(chunk); }
  ListChunk& at(uint32_t chunk) override { return memory_.map().chunk(chunk); }

 private:
  EdgeMemory& memory_;
  std::vector<uint32_t> free_;
};

/** A port's slot, given back when this goes. */
class PortLease {
 public:
  explicit PortLease(EdgeMemory& memory) : memory_(&memory), slot_(memory.takePort()) {}
  /** A predecessor's. */
  PortLease(EdgeMemory& memory, size_t slot) : memory_(&memory), slot_(slot) {}
  PortLease(PortLease&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), slot_(other.slot_) {}
  PortLease& operator=(PortLease&&) = delete;
  ~PortLease() {
    if (memory_ != nullptr) memory_->givePort(slot_);
  }

  size_t slot() const { return slot_; }
  PortSlot& operator*() const { return memory_->map().port(slot_); }
  PortSlot* operator->() const { return &**this; }
  uint8_t* ring() const { return memory_->map().ring(slot_); }
  EdgeMemory& memory() const { return *memory_; }
  RecentPackets::Memory& ingressRecent() const { return memory_->map().ingressRecent(slot_); }
  RecentPackets::Memory& egressRecent() const { return memory_->map().egressRecent(slot_); }
  void show(uint32_t id) { memory_->showPort(slot_, id); }

 private:
  EdgeMemory* memory_;
  size_t slot_;
};

class ForkLease {
 public:
  explicit ForkLease(EdgeMemory& memory) : memory_(&memory), slot_(memory.takeFork()) {}
  ForkLease(EdgeMemory& memory, size_t slot) : memory_(&memory), slot_(slot) {}
  ForkLease(ForkLease&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), slot_(other.slot_) {}
  ForkLease& operator=(ForkLease&&) = delete;
  ~ForkLease() {
    if (memory_ != nullptr) memory_->giveFork(slot_);
  }

  size_t slot() const { return slot_; }
  ForkSlot& operator*() const { return memory_->map().fork(slot_); }
  ForkSlot* operator->() const { return &**this; }
  KeptOutList& keptOut() const { return memory_->map().keptOut(slot_); }
  void show(uint32_t id) { memory_->showFork(slot_, id); }

 private:
  EdgeMemory* memory_;
  size_t slot_;
};

}  // namespace tandem
