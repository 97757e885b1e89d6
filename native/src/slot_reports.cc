#include "slot_reports.h"

#include <algorithm>

#include "clock.h"
#include "ingress_account.h"
#include "slot_lists.h"

namespace tandem {

namespace {

template <typename T>
T found(const std::optional<T>& value, const char* what) {
  if (!value) failMemory(what);
  return *value;
}

PortIngress shownIngress(const MappedMemory& memory, size_t slot) {
  return found(memory.port(slot).ingress.read(), "a port");
}

ForkState stateOf(uint64_t state) {
  if (state > static_cast<uint64_t>(ForkState::kEnded)) failMemory("a fork's state");
  return static_cast<ForkState>(state);
}

/** One past the newest packet of the fork's port; none if that has gone. */
std::optional<uint64_t> headOf(const MappedMemory& memory, const ForkSlot& fork) {
  const uint32_t slot = __atomic_load_n(&fork.portSlot, __ATOMIC_RELAXED);
  const uint32_t id = __atomic_load_n(&fork.portId, __ATOMIC_RELAXED);
  if (slot >= kPortsMax || memory.portId(slot).load(std::memory_order_acquire) != id)
    return std::nullopt;
  const auto ingress = memory.port(slot).ingress.read();
  return ingress ? std::optional(ingress->ringHead) : std::nullopt;
}

uint32_t ssrcOf(const MappedMemory& memory, const ForkSlot& fork) {
  const uint32_t slot = __atomic_load_n(&fork.portSlot, __ATOMIC_RELAXED);
  return slot < kPortsMax ? __atomic_load_n(&memory.port(slot).ssrc, __ATOMIC_RELAXED) : 0;
}

void reportOnReports(ForkReport& report, const ForkAccount& account, const SentLog& sent,
                     const ReportJudge& judge) {
  if (account.hasReceiverReport != 0) {
    const ForkReceiverReport& from = account.receiverReport;
    ReceiverReport receiver{};
    receiver.atNs = from.atNs;
    receiver.highest = from.highest;
    receiver.fractionLost = from.fractionLost;
    receiver.jitterMs = from.jitterMs;
    if (from.hasRoundTrip != 0) receiver.roundTripMs = from.roundTripMs;
    receiver.isFinal = from.isFinal != 0;
    report.receiverReport = receiver;
  }
  report.receiverReports = account.receiverReports;
  report.reportsRanges = judge.reportsRanges();
  report.confirmed = timed(judge.confirmed().list(), report.sent);
  Spans denied = judge.denied();
  const ReportJudge::Bounds lost = judge.lost();
  report.lostAtLeast = lost.atLeast;
  report.lostAtMost = lost.atMost;
  if (!sent.empty() && report.receiverReport && report.receiverReport->isFinal) {
    // What lies behind the highest did not come any more; until that is settled, perhaps.
    const bool isSettled = account.evidence.isSettled != 0;
    const SpanList behind = difference(judge.behind(), judge.confirmed().list());
    if (!judge.reportsRanges()) {
      report.lostAtMost += sizeOf(behind);
      if (isSettled) report.lostAtLeast += sizeOf(behind);
    } else if (isSettled) {
      denied.unite(behind);
    }
  }
  report.denied = timed(denied.list(), report.sent);
}

}  // namespace

StreamReport streamReport(const MappedMemory& memory, size_t slot) {
  PortContents contents = readPort(memory, slot, false);
  const PortSlot& port = memory.port(slot);
  const PortIngress& ingress = contents.ingress;
  StreamReport report;
  report.ssrc = __atomic_load_n(&port.ssrc, __ATOMIC_RELAXED);
  if (ingress.started != 0) {
    report.sourceSsrc = ingress.sourceSsrc;
    report.lastPayloadType = static_cast<uint8_t>(ingress.payloadType);
  }
  report.latched = contents.account.latched.get();
  report.packetMs = ingress.packetMs;
  IngressAccount account;
  account.restore(ingress, contents.account.changeCount, std::move(contents.received.first),
                  std::move(contents.dropped.first), contents.changes.items);
  account.report(report);
  for (size_t i = 0; i < report.refused.byReason.size(); ++i)
    report.refused.byReason[i] = port.refused[i].get();
  for (size_t i = 0; i < report.unforwarded.byReason.size(); ++i)
    report.unforwarded.byReason[i] = port.unforwarded[i].get();
  report.egressPackets = port.egressPackets.get();
  report.egressErrors = port.egressErrors.get();
  report.lastEgressNs = static_cast<int64_t>(port.lastEgressNs.get());
  if (ingress.ringFirst != ingress.ringHead) report.ringFirst = ingress.ringFirstNumber;
  return report;
}

int64_t lastHeardNs(const MappedMemory& memory, size_t slot) {
  return shownIngress(memory, slot).lastNs;
}

std::optional<RelayStall> relayStall(const MappedMemory& memory, size_t slot) {
  const PortAccount account = found(memory.port(slot).account.read(), "a port");
  return account.hasStall != 0 ? std::optional(account.stall) : std::nullopt;
}

std::optional<uint64_t> sequenceAt(const MappedMemory& memory, size_t slot, int64_t atNs) {
  const RingEntries entries(memory.ringLimits(), memory.ring(slot));
  const SharedCount& floor = memory.port(slot).ringFloor;
  for (int look = 0; look < kLooksMax; ++look) {
    const PortIngress ingress = shownIngress(memory, slot);
    if (ingress.started == 0) return std::nullopt;
    const uint64_t head = ingress.ringHead;
    // Packets that have come since may have taken the place of the oldest.
    const uint64_t first = std::min(std::max(ingress.ringFirst, floor.get()), head);
    if (head - first > entries.count()) failMemory("a ring");
    const uint64_t index = entries.since(first, head, atNs);
    const uint64_t sequence = index < head ? entries.at(index).extended : ingress.highest + 1;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (index == head || index >= floor.get()) return sequence;
  }
  failMemory("a ring");
}

ForkReport forkReport(const MappedMemory& memory, size_t slot, uint32_t id) {
  ForkContents contents = readFork(memory, slot);
  const ForkProgress& progress = contents.progress;
  const ForkAccount& account = contents.account;
  ForkReport report;
  report.forkId = id;
  report.state = stateOf(progress.pulse.state);
  // What waits for the next slice is on its way yet.
  const auto head = headOf(memory, memory.fork(slot));
  if (report.state == ForkState::kLive && head && progress.pulse.cursor < *head)
    report.state = ForkState::kCatchingUp;
  report.sentPackets = progress.pulse.sentPackets;
  report.sentBytes = progress.sentBytes;
  report.sendErrors = progress.sendErrors;
  report.replayed = contents.replayed.first.list();
  report.overrun = contents.overrun.first.list();
  report.withheld = contents.withheld.first.list();
  if (account.hasRefused != 0) report.refused = account.refused;
  if (account.hasUnsendable != 0) report.unsendable = account.unsendable;
  SentLog sent;
  sent.restore(std::move(contents.sent.first), progress.sentLast, contents.late.items,
               account.knownFrom);
  report.sent = sent.list();
  ReportJudge judge(ssrcOf(memory, memory.fork(slot)), sent);
  judge.restore(account.judge, std::move(contents.confirmed.items),
                std::move(contents.denied.items));
  reportOnReports(report, account, sent, judge);
  return report;
}

ForkSigns forkSigns(const MappedMemory& memory, size_t slot, uint32_t id) {
  const ForkSlot& fork = memory.fork(slot);
  const ForkEvidence evidence = found(fork.account.read(&ForkAccount::evidence), "a fork");
  const ForkPulse pulse = found(fork.progress.read(&ForkProgress::pulse), "a fork");
  ForkSigns signs;
  signs.forkId = id;
  signs.receiverReports = evidence.hearingReports;
  signs.reportedNs = evidence.heardNs;
  signs.sentSinceReport = pulse.sentPackets - evidence.sentBeforeReport;
  signs.fractionLost = evidence.fractionLost;
  const bool isSending = pulse.lastSentMonotonicNs != 0 && isSane(pulse.lastSentMonotonicNs) &&
                         monotonicNs() - pulse.lastSentMonotonicNs < kForkSilenceNs;
  signs.sendingSinceNs = isSending ? pulse.sendingSinceNs : 0;
  signs.refusedNs = evidence.refusedNs;
  signs.doubtedNs = evidence.doubtedNs;
  signs.unsendableNs = evidence.unsendableNs;
  const auto head = headOf(memory, fork);
  signs.isLive = stateOf(pulse.state) == ForkState::kLive && head && pulse.cursor == *head;
  signs.isSettled = evidence.isSettled != 0;
  return signs;
}

}  // namespace tandem
