#include "shm_layout.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "clock.h"
#include "error.h"

namespace tandem {

namespace {

constexpr uint64_t kPageBytes = 4096;
/** No ring is larger: js_read.cc holds the settings to it. */
constexpr uint64_t kRingBytesMax = uint64_t{1} << 30;
constexpr int64_t kRingKeepNsMax = 3600 * kNsPerSecond;

static_assert(kIsShareable<PortIngress> && kIsShareable<PortAccount> &&
              kIsShareable<PortSettings> && kIsShareable<PortEgress>);
static_assert(kIsShareable<ForkProgress> && kIsShareable<ForkAccount>);
static_assert(std::is_trivially_copyable_v<RecentPackets::Entry> &&
              std::is_trivially_copyable_v<KeptOut> && std::is_trivially_copyable_v<RecentlySent>);
// Whoever changes one of these changes kLayoutVersion.
static_assert(sizeof(Ring::Entry) == 24 && sizeof(RecentPackets::Entry) == 24);

[[noreturn]] void refuse(const std::string& why) { throw EdgeError("EDGE_MEMORY", why); }

uint64_t pages(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

RingLimits ringOf(const EdgeSettings& settings) {
  return {settings.ringKeepNs, static_cast<size_t>(settings.ringBytes)};
}

bool isSane(const EdgeSettings& settings) {
  return settings.threads >= 1 && settings.threads <= kThreadsMax && settings.ringKeepNs > 0 &&
         settings.ringKeepNs <= kRingKeepNsMax && settings.ringBytes <= kRingBytesMax &&
         settings.portMin > 0 && settings.portMin <= settings.portMax &&
         settings.catchUpRate >= 1 && settings.catchUpRate <= 1000 && settings.rtcpIntervalNs > 0 &&
         settings.cname.back() == 0;
}

struct Size {
  const char* of;
  uint32_t MemoryHeader::*field;
  size_t value;
};
constexpr Size kSizes[] = {
    {"header", &MemoryHeader::headerBytes, sizeof(MemoryHeader)},
    {"port", &MemoryHeader::portBytes, sizeof(PortSlot)},
    {"fork", &MemoryHeader::forkBytes, sizeof(ForkSlot)},
    {"thread", &MemoryHeader::shardBytes, sizeof(ShardRecord)},
    {"chunk", &MemoryHeader::chunkBytes, sizeof(ListChunk)},
    {"entry of a ring", &MemoryHeader::entryBytes, sizeof(Ring::Entry)},
    {"packet of late", &MemoryHeader::recentBytes, sizeof(RecentPackets::Memory)},
    {"table of ports", &MemoryHeader::portsMax, kPortsMax},
    {"table of forks", &MemoryHeader::forksMax, kForksMax},
};

void check(const MemoryHeader& header, const EdgeSettings& settings, uint64_t fileBytes) {
  if (header.magic.load(std::memory_order_acquire) != kLayoutMagic)
    refuse("this is no memory of an edge, or one that is not made yet");
  if (header.version != kLayoutVersion) {
    refuse("the memory's layout is of version " + std::to_string(header.version) +
           ", not of version " + std::to_string(kLayoutVersion));
  }
  for (const Size& size : kSizes) {
    if (header.*size.field == size.value) continue;
    refuse(std::string("a ") + size.of + " has " + std::to_string(header.*size.field) +
           " in the memory, not " + std::to_string(size.value));
  }
  if (!isSane(settings)) refuse("the memory's settings are out of range");
  if (header.layout != Layout::of(settings.threads, ringOf(settings)))
    refuse("the memory's layout does not follow from its settings");
  if (fileBytes < header.layout.total) {
    refuse("the memory has " + std::to_string(fileBytes) + " bytes, not " +
           std::to_string(header.layout.total));
  }
  if (header.legCount > kLegsMax || header.portsHigh > kPortsMax || header.forksHigh > kForksMax ||
      header.chunksHigh > kListChunksMax)
    refuse("the memory counts more than it has room for");
}

uint8_t* mapAll(int fd, uint64_t bytes, bool writable) {
  void* memory = mmap(nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0),
                      MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (memory == MAP_FAILED) failErrno("map the edge's memory");
  return static_cast<uint8_t*>(memory);
}

}  // namespace

Layout Layout::of(uint32_t threads, const RingLimits& ring) {
  uint64_t end = 0;
  const auto take = [&end](uint64_t bytes) {
    const uint64_t at = end;
    end = pages(end + bytes);
    return at;
  };
  take(sizeof(MemoryHeader));
  Layout layout{};
  layout.portIds = take(kPortsMax * sizeof(uint32_t));
  layout.forkIds = take(kForksMax * sizeof(uint32_t));
  layout.ports = take(kPortsMax * sizeof(PortSlot));
  layout.forks = take(kForksMax * sizeof(ForkSlot));
  layout.shards = take(threads * sizeof(ShardRecord));
  layout.keptOut = take(kForksMax * sizeof(KeptOutList));
  layout.ingressRecent = take(kPortsMax * sizeof(RecentPackets::Memory));
  layout.egressRecent = take(kPortsMax * sizeof(RecentPackets::Memory));
  layout.ringStride = pages(Ring::bytesOf(ring));
  layout.rings = take(kPortsMax * layout.ringStride);
  layout.chunks = take(kListChunksMax * sizeof(ListChunk));
  layout.total = end;
  return layout;
}

void reserveMemory(int fd, uint64_t offset, uint64_t bytes) {
  int error = EINTR;
  while (error == EINTR)
    error = posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  if (error == ENOSPC || error == ENOMEM || error == EDQUOT)
    throw EdgeError("EDGE_FULL", "the file system of the edge's memory has no room left");
  if (error != 0) failErrno("reserve memory for the edge", error);
}

MappedMemory MappedMemory::open(int fd, bool writable) {
  struct stat file {};
  if (fstat(fd, &file) != 0) failErrno("look at the edge's memory");
  const auto bytes = static_cast<uint64_t>(file.st_size);
  if (bytes < sizeof(MemoryHeader)) refuse("this is no memory of an edge: it is too short");
  uint8_t* first = mapAll(fd, sizeof(MemoryHeader), false);
  Layout layout;
  EdgeSettings settings;
  try {
    const auto& header = *reinterpret_cast<const MemoryHeader*>(first);
    settings = header.settings;
    check(header, settings, bytes);
    layout = Layout::of(settings.threads, ringOf(settings));
  } catch (...) {
    munmap(first, sizeof(MemoryHeader));
    throw;
  }
  munmap(first, sizeof(MemoryHeader));
  return {mapAll(fd, layout.total, writable), layout, settings};
}

MappedMemory MappedMemory::make(int fd, const EdgeSettings& settings) {
  if (!isSane(settings)) refuse("the settings are out of range");
  const Layout layout = Layout::of(settings.threads, ringOf(settings));
  if (ftruncate(fd, static_cast<off_t>(layout.total)) != 0) failErrno("size the edge's memory");
  // What is used from the beginning: the header, and two tables of ids.
  reserveMemory(fd, 0, layout.ports);
  reserveMemory(fd, layout.shards, layout.keptOut - layout.shards);
  MappedMemory memory{mapAll(fd, layout.total, true), layout, settings};
  MemoryHeader& header = memory.header();
  header.version = kLayoutVersion;
  for (const Size& size : kSizes) header.*size.field = static_cast<uint32_t>(size.value);
  header.startedAtNs = nowNs();
  header.clockOffsetNs = clockOffsetNs.load();
  header.settings = settings;
  header.layout = layout;
  header.chunksHigh = 1;
  return memory;
}

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      layout_(other.layout_),
      settings_(other.settings_) {}

MappedMemory::~MappedMemory() {
  if (base_ != nullptr) munmap(base_, layout_.total);
}

size_t MappedMemory::portsHigh() const {
  return std::min<size_t>(header().portsHigh.load(std::memory_order_acquire), kPortsMax);
}

size_t MappedMemory::forksHigh() const {
  return std::min<size_t>(header().forksHigh.load(std::memory_order_acquire), kForksMax);
}

uint64_t MappedMemory::chunksHigh() const {
  return std::min<uint64_t>(header().chunksHigh.load(std::memory_order_acquire), kListChunksMax);
}

}  // namespace tandem
