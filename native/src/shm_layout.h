#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "limits.h"
#include "ring.h"
#include "shard_record.h"
#include "shm_records.h"

namespace tandem {

/** Another one for any change of a record's size or meaning. */
inline constexpr uint32_t kLayoutVersion = 1;
inline constexpr uint64_t kLayoutMagic = 0x314d'4544'4e41'5421;  // "!TANDEM1"
/** Of all lists together: more than all ports and forks can fill. Only what is used takes memory.
 */
inline constexpr uint64_t kListChunksMax = uint64_t{1} << 28;
inline constexpr size_t kLegsMax = kThreadsMax * kLegStreams * 2;
inline constexpr size_t kCnameBytes = 256;

/** Where things lie, in bytes from the beginning: follows from the rings and the threads alone. */
struct Layout {
  uint64_t portIds;
  uint64_t forkIds;
  uint64_t ports;
  uint64_t forks;
  uint64_t shards;
  uint64_t keptOut;
  uint64_t ingressRecent;
  uint64_t egressRecent;
  uint64_t rings;
  uint64_t ringStride;
  uint64_t chunks;
  uint64_t total;

  static Layout of(uint32_t threads, const RingLimits& ring);
  bool operator==(const Layout&) const = default;
};

struct LegRecord {
  uint32_t shard;
  uint32_t streamIndex;
  SharedAddress rtp;
  SharedAddress rtcp;
};

/** What the edge was started with. */
struct EdgeSettings {
  uint32_t threads;
  uint16_t portMin;
  uint16_t portMax;
  int64_t ringKeepNs;
  uint64_t ringBytes;
  double catchUpRate;
  int64_t rtcpIntervalNs;
  std::array<char, kCnameBytes> cname;
};

struct MemoryHeader {
  /** Comes last: who finds it finds all the rest. */
  std::atomic<uint64_t> magic;
  uint32_t version;
  // Sizes, each checked against one's own.
  uint32_t headerBytes;
  uint32_t portBytes;
  uint32_t forkBytes;
  uint32_t shardBytes;
  uint32_t chunkBytes;
  uint32_t entryBytes;
  uint32_t recentBytes;
  uint32_t portsMax;
  uint32_t forksMax;
  /** Unix time at which it was made, and how far the edge's clock is ahead of the monotonic one. */
  int64_t startedAtNs;
  int64_t clockOffsetNs;
  EdgeSettings settings;
  Layout layout;
  std::array<SharedAddress, kThreadsMax> relays;
  std::array<LegRecord, kLegsMax> legs;
  std::atomic<uint64_t> legCount;
  std::atomic<uint64_t> idCounter;
  /** Slots that were ever used. */
  std::atomic<uint64_t> portsHigh;
  std::atomic<uint64_t> forksHigh;
  /** Chunks that were ever handed out, number 0 included, which never is. */
  std::atomic<uint64_t> chunksHigh;
  SharedCount droppedEvents;
};

using KeptOutList = std::array<KeptOut, kKeptOutMax>;

/** Takes memory for that part of the file, so that whoever writes there finds it. Throws EDGE_FULL
 * where there is none left. */
void reserveMemory(int fd, uint64_t offset, uint64_t bytes);

/** The memory itself, mapped. Unmapped when this goes; the descriptor is another's. */
class MappedMemory {
 public:
  /** Throws EDGE_MEMORY if it is none that this program knows, or contradicts itself. */
  static MappedMemory open(int fd, bool writable);
  /** New, all zero but the header, whose `magic` is still missing. */
  static MappedMemory make(int fd, const EdgeSettings& settings);

  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&&) = delete;
  ~MappedMemory();

  MemoryHeader& header() const { return *reinterpret_cast<MemoryHeader*>(base_); }
  // As they were when it was mapped: what is written into the header later changes nothing.
  const Layout& layout() const { return layout_; }
  const EdgeSettings& settings() const { return settings_; }
  RingLimits ringLimits() const {
    return {settings_.ringKeepNs, static_cast<size_t>(settings_.ringBytes)};
  }
  std::atomic<uint32_t>& portId(size_t slot) const {
    return at<std::atomic<uint32_t>>(layout_.portIds, slot);
  }
  std::atomic<uint32_t>& forkId(size_t slot) const {
    return at<std::atomic<uint32_t>>(layout_.forkIds, slot);
  }
  PortSlot& port(size_t slot) const { return at<PortSlot>(layout_.ports, slot); }
  ForkSlot& fork(size_t slot) const { return at<ForkSlot>(layout_.forks, slot); }
  ShardRecord& shard(size_t index) const { return at<ShardRecord>(layout_.shards, index); }
  KeptOutList& keptOut(size_t slot) const { return at<KeptOutList>(layout_.keptOut, slot); }
  RecentPackets::Memory& ingressRecent(size_t slot) const {
    return at<RecentPackets::Memory>(layout_.ingressRecent, slot);
  }
  RecentPackets::Memory& egressRecent(size_t slot) const {
    return at<RecentPackets::Memory>(layout_.egressRecent, slot);
  }
  uint8_t* ring(size_t slot) const { return base_ + layout_.rings + slot * layout_.ringStride; }
  ListChunk& chunk(size_t number) const { return at<ListChunk>(layout_.chunks, number); }
  uint64_t offsetOf(const void* part) const {
    return static_cast<uint64_t>(static_cast<const uint8_t*>(part) - base_);
  }
  /** As they are now; never beyond the tables. */
  size_t portsHigh() const;
  size_t forksHigh() const;
  uint64_t chunksHigh() const;

 private:
  MappedMemory(uint8_t* base, const Layout& layout, const EdgeSettings& settings)
      : base_(base), layout_(layout), settings_(settings) {}

  template <typename T>
  T& at(uint64_t offset, size_t index) const {
    return *reinterpret_cast<T*>(base_ + offset + index * sizeof(T));
  }

  uint8_t* base_;
  Layout layout_;
  EdgeSettings settings_;
};

}  // namespace tandem
