#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "ranges.h"
#include "reports.h"
#include "shm_records.h"

namespace tandem {

/** What came of one stream, what of it was refused, and what the kernel dropped at our own socket.
 */
class IngressAccount {
 public:
  void accept(size_t bytes) {
    ++packets_;
    bytes_ += bytes;
  }
  /** Datagrams at any socket of the port. */
  void addDrops(uint32_t drops) { kernelDrops_ += drops; }

  /** @param droppedBefore datagrams that the kernel dropped at the RTP socket since the packet
   * before */
  /** @return true if what changes seldom has changed */
  bool add(uint64_t extended, int64_t atNs, uint32_t droppedBefore);
  void addChange(const SsrcChange& change);

  const Ranges& received() const { return received_; }
  /** 0: nothing came yet. */
  int64_t lastNs() const { return lastNs_; }
  void report(StreamReport& report) const;

  /** Numbers alone, of what is in shared memory. */
  void record(PortIngress& ingress) const;
  void restore(const PortIngress& ingress, uint64_t changeCount, Ranges received, Ranges dropped,
               const std::vector<SsrcChange>& changes);
  Ranges& received() { return received_; }
  Ranges& dropped() { return dropped_; }
  const std::deque<SsrcChange>& changes() const { return changes_; }
  size_t takeChangesUnchanged() { return std::exchange(changesUnchanged_, SIZE_MAX); }
  uint64_t changeCount() const { return changeCount_; }

 private:
  void attribute(uint64_t extended, int64_t atNs, uint32_t drops);
  std::vector<Range> stillMissing() const;

  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t reordered_ = 0;
  uint64_t kernelDrops_ = 0;
  Ranges received_;
  /** Gaps when they were found: what came late is still in here. */
  Ranges dropped_;
  std::deque<SsrcChange> changes_;
  size_t changesUnchanged_ = SIZE_MAX;
  uint64_t changeCount_ = 0;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
