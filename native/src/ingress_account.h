#pragma once

#include <cstdint>
#include <deque>

#include "ranges.h"
#include "refusal.h"
#include "reports.h"

namespace tandem {

/** What came of one stream, what of it was refused, and what the kernel dropped at our own socket.
 */
class IngressAccount {
 public:
  void accept(size_t bytes) {
    ++packets_;
    bytes_ += bytes;
  }
  void refuse(Refusal reason) { refused_.add(reason); }
  /** Datagrams at any socket of the port. */
  void addDrops(uint32_t drops) { kernelDrops_ += drops; }

  /** @param droppedBefore datagrams that the kernel dropped at the RTP socket since the packet
   * before */
  void add(uint64_t extended, int64_t atNs, uint32_t droppedBefore);
  void addChange(const SsrcChange& change);

  const Ranges& received() const { return received_; }
  /** 0: nothing came yet. */
  int64_t lastNs() const { return lastNs_; }
  void report(StreamReport& report) const;

 private:
  void attribute(uint64_t extended, int64_t atNs, uint32_t drops);
  std::vector<Range> stillMissing() const;

  uint64_t packets_ = 0;
  uint64_t bytes_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t reordered_ = 0;
  uint64_t kernelDrops_ = 0;
  RefusalCounts refused_;
  Ranges received_;
  /** Gaps when they were found: what came late is still in here. */
  Ranges dropped_;
  std::deque<SsrcChange> changes_;
  uint64_t changeCount_ = 0;
  int64_t lastNs_ = 0;
};

}  // namespace tandem
