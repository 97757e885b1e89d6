#include "edge_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>

#include "error.h"

namespace tandem {

namespace {

/** That one thread takes at a time. */
constexpr uint32_t kChunksPerTake = 16;
/** That there is memory for, beyond those that are taken. */
constexpr uint64_t kChunksAhead = 1024;

template <typename Id>
std::vector<uint32_t> freeSlots(size_t max, Id id) {
  std::vector<uint32_t> free;
  for (size_t slot = max; slot > 0; --slot) {
    if (id(slot - 1) == 0) free.push_back(static_cast<uint32_t>(slot - 1));
  }
  return free;
}

/** The lowest of them, which is the first. */
size_t takeSlot(std::vector<uint32_t>& free, std::atomic<uint64_t>& high) {
  std::pop_heap(free.begin(), free.end(), std::greater<>());
  const size_t slot = free.back();
  free.pop_back();
  if (high.load(std::memory_order_relaxed) <= slot) high.store(slot + 1, std::memory_order_release);
  return slot;
}

void giveSlot(std::vector<uint32_t>& free, size_t slot) {
  free.push_back(static_cast<uint32_t>(slot));
  std::push_heap(free.begin(), free.end(), std::greater<>());
}

}  // namespace

EdgeMemory::EdgeMemory(UniqueFd fd, MappedMemory map, std::string file)
    : fd_(std::move(fd)), map_(std::move(map)), file_(std::move(file)) {
  freePorts_ = freeSlots(kPortsMax, [this](size_t slot) { return map_.portId(slot).load(); });
  freeForks_ = freeSlots(kForksMax, [this](size_t slot) { return map_.forkId(slot).load(); });
  std::make_heap(freePorts_.begin(), freePorts_.end(), std::greater<>());
  std::make_heap(freeForks_.begin(), freeForks_.end(), std::greater<>());
}

EdgeMemory EdgeMemory::make(const EdgeSettings& settings, const std::string& file) {
  UniqueFd fd(file.empty() ? memfd_create("tandem-edge", MFD_CLOEXEC)
                           : open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) failErrno("make the edge's memory" + (file.empty() ? "" : " at " + file));
  MappedMemory map = MappedMemory::make(fd.get(), settings);
  return {std::move(fd), std::move(map), file};
}

EdgeMemory EdgeMemory::adopt(UniqueFd fd, const std::string& file) {
  MappedMemory map = MappedMemory::open(fd.get(), true);
  return {std::move(fd), std::move(map), file};
}

void EdgeMemory::dropBatches(int fd) {
  const MappedMemory map = MappedMemory::open(fd, true);
  for (uint32_t i = 0; i < map.settings().threads; ++i) map.shard(i).batch.owner.store(0);
}

std::string EdgeMemory::path() const {
  if (!file_.empty()) return file_;
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
}

void EdgeMemory::announce() { map_.header().magic.store(kLayoutMagic, std::memory_order_release); }

size_t EdgeMemory::takePort() {
  const std::lock_guard lock(mutex_);
  if (freePorts_.empty()) {
    throw EdgeError("NO_PORT",
                    "at most " + std::to_string(kPortsMax) + " ports are open at a time");
  }
  const size_t next = freePorts_.front();
  reserveChunks();
  reserve(&map_.port(next), sizeof(PortSlot));
  reserve(&map_.ingressRecent(next), sizeof(RecentPackets::Memory));
  reserve(&map_.egressRecent(next), sizeof(RecentPackets::Memory));
  const RingLimits ring = map_.ringLimits();
  reserve(map_.ring(next), Ring::firstBytes());
  reserve(map_.ring(next) + Ring::entriesAt(ring), Ring::bytesOf(ring) - Ring::entriesAt(ring));
  const size_t slot = takeSlot(freePorts_, map_.header().portsHigh);
  memset(static_cast<void*>(&map_.port(slot)), 0, sizeof(PortSlot));
  map_.ingressRecent(slot).fill({});
  return slot;
}

void EdgeMemory::showPort(size_t slot, uint32_t id) {
  map_.portId(slot).store(id, std::memory_order_release);
}

void EdgeMemory::hidePort(size_t slot) { map_.portId(slot).store(0, std::memory_order_release); }

void EdgeMemory::givePort(size_t slot) {
  hidePort(slot);
  const auto punch = [this](const void* from, uint64_t bytes) {
    // Where the system cannot, the memory is used again by the next.
    madvise(const_cast<void*>(from), bytes, MADV_REMOVE);
  };
  punch(map_.ring(slot), map_.layout().ringStride);
  const std::lock_guard lock(mutex_);
  giveSlot(freePorts_, slot);
}

size_t EdgeMemory::takeFork() {
  const std::lock_guard lock(mutex_);
  if (freeForks_.empty())
    fail("at most " + std::to_string(kForksMax) + " forks are there at a time");
  const size_t next = freeForks_.front();
  reserveChunks();
  reserve(&map_.fork(next), sizeof(ForkSlot));
  reserve(&map_.keptOut(next), sizeof(KeptOutList));
  const size_t slot = takeSlot(freeForks_, map_.header().forksHigh);
  memset(static_cast<void*>(&map_.fork(slot)), 0, sizeof(ForkSlot));
  map_.fork(slot).recent = {};
  return slot;
}

void EdgeMemory::showFork(size_t slot, uint32_t id) {
  map_.forkId(slot).store(id, std::memory_order_release);
}

void EdgeMemory::hideFork(size_t slot) { map_.forkId(slot).store(0, std::memory_order_release); }

void EdgeMemory::giveFork(size_t slot) {
  hideFork(slot);
  const std::lock_guard lock(mutex_);
  giveSlot(freeForks_, slot);
}

void EdgeMemory::reserve(const void* from, uint64_t bytes) {
  reserveMemory(fd_.get(), map_.offsetOf(from), bytes);
}

bool EdgeMemory::mayUse(const uint8_t* from, uint64_t bytes) {
  try {
    reserve(from, bytes);
    return true;
  } catch (const EdgeError&) {
    return false;
  }
}

void EdgeMemory::reserveChunks() {
  const uint64_t high = map_.chunksHigh();
  if (chunksReserved_ >= high + kChunksAhead) return;
  const uint64_t count = std::min(2 * kChunksAhead, kListChunksMax - high);
  reserve(&map_.chunk(high), count * sizeof(ListChunk));
  chunksReserved_ = high + count;
}

uint32_t EdgeMemory::takeChunks(uint32_t count) {
  const std::lock_guard lock(mutex_);
  const uint64_t from = map_.header().chunksHigh.fetch_add(count);
  if (from + count <= kListChunksMax && from + count > chunksReserved_) {
    reserve(&map_.chunk(from), count * sizeof(ListChunk));
    chunksReserved_ = from + count;
  }
  if (from + count > kListChunksMax) fail("the edge's memory has no room for lists left");
  return static_cast<uint32_t>(from);
}

uint32_t ShardChunks::take() {
  if (free_.empty()) {
    const uint32_t from = memory_.takeChunks(kChunksPerTake);
    for (uint32_t i = kChunksPerTake; i > 0; --i) free_.push_back(from + i - 1);
  }
  const uint32_t chunk = free_.back();
  free_.pop_back();
  return chunk;
}

}  // namespace tandem
