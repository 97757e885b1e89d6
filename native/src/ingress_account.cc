#include "ingress_account.h"

#include <algorithm>

#include "limits.h"

namespace tandem {

bool IngressAccount::add(uint64_t extended, int64_t atNs, uint32_t droppedBefore) {
  lastNs_ = atNs;
  const bool isBehind = !received_.list().empty() && extended < received_.list().back().last;
  if (droppedBefore > 0) attribute(extended, atNs, droppedBefore);
  if (!received_.add(extended, atNs)) {
    ++duplicates_;
  } else if (isBehind) {
    ++reordered_;
  }
  return droppedBefore > 0;
}

/** The gap before a packet is ours as far as the kernel dropped so many just there. Where it is
 * longer, nobody knows which of its packets came: the first are named. */
void IngressAccount::attribute(uint64_t extended, int64_t atNs, uint32_t drops) {
  if (received_.list().empty()) return;
  const Range& before = received_.list().back();
  if (extended <= before.last + 1) return;
  const uint64_t missing = extended - before.last - 1;
  const uint64_t ours = std::min<uint64_t>(missing, drops);
  const int64_t spacingNs = (atNs - before.lastAtNs) / static_cast<int64_t>(missing + 1);
  dropped_.addRange({before.last + 1, before.last + ours, before.lastAtNs + spacingNs,
                     before.lastAtNs + spacingNs * static_cast<int64_t>(ours)});
}

void IngressAccount::addChange(const SsrcChange& change) {
  ++changeCount_;
  changes_.push_back(change);
  if (changes_.size() <= kSsrcChangesMax) return;
  changes_.pop_front();
  changesUnchanged_ = 0;
}

std::vector<Range> IngressAccount::stillMissing() const {
  std::vector<Range> missing;
  for (const Range& range : dropped_.list()) {
    Range rest = range;
    for (const Range& late : received_.within(range.first, range.last)) {
      if (late.first > rest.first) {
        missing.push_back({rest.first, late.first - 1, rest.firstAtNs, late.firstAtNs});
      }
      rest.first = late.last + 1;
      rest.firstAtNs = late.lastAtNs;
    }
    if (rest.first <= rest.last) missing.push_back(rest);
  }
  return missing;
}

void IngressAccount::report(StreamReport& report) const {
  report.packets = packets_;
  report.bytes = bytes_;
  report.duplicates = duplicates_;
  report.reordered = reordered_;
  report.kernelDrops = kernelDrops_;
  report.received = received_.list();
  report.rangesJoined = received_.joinedCount();
  report.exactFrom = received_.exactFrom();
  report.dropped = stillMissing();
  report.ssrcChanges.assign(changes_.begin(), changes_.end());
  report.ssrcChangeCount = changeCount_;
}

void IngressAccount::record(PortIngress& ingress) const {
  ingress.packets = packets_;
  ingress.bytes = bytes_;
  ingress.duplicates = duplicates_;
  ingress.reordered = reordered_;
  ingress.kernelDrops = kernelDrops_;
  ingress.lastNs = lastNs_;
}

void IngressAccount::restore(const PortIngress& ingress, uint64_t changeCount, Ranges received,
                             Ranges dropped, const std::vector<SsrcChange>& changes) {
  packets_ = ingress.packets;
  bytes_ = ingress.bytes;
  duplicates_ = ingress.duplicates;
  reordered_ = ingress.reordered;
  kernelDrops_ = ingress.kernelDrops;
  lastNs_ = ingress.lastNs;
  received_ = std::move(received);
  dropped_ = std::move(dropped);
  changes_.assign(changes.begin(), changes.end());
  changeCount_ = changeCount;
}

}  // namespace tandem
