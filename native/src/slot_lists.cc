#include "slot_lists.h"

namespace tandem {

namespace {

bool areSane(const std::vector<SsrcChange>& changes) {
  for (const SsrcChange& change : changes) {
    if (!isSane(change.extended, change.extended) || !isSane(change.atNs)) return false;
  }
  return true;
}

bool areSane(const std::vector<SentLog::Late>& copies) {
  for (const SentLog::Late& late : copies) {
    if (late.number >= kNumberMax || late.highestThen >= kNumberMax) return false;
  }
  return true;
}

bool isSane(const JudgeRecord& judge) {
  return judge.last.highest < kNumberMax && judge.base.highest < kNumberMax &&
         judge.sentThen < kNumberMax && judge.from < kNumberMax;
}

/** Copies that a list of changes holds for a moment, before the oldest goes. */
constexpr size_t kChangesMax = kSsrcChangesMax + 1;

}  // namespace

PortContents readPort(const MappedMemory& memory, size_t slot, bool staged) {
  const PortSlot& port = memory.port(slot);
  const ChunksOf chunks(memory);
  return readWhole(port.moves, "a port", [&]() -> std::optional<PortContents> {
    const auto ingress = staged ? port.ingress.staged() : port.ingress.read();
    const auto account = port.account.read();
    if (!ingress || !account) return std::nullopt;
    auto received = readRanges(ingress->received, chunks);
    auto dropped = readRanges(account->dropped, chunks);
    auto changes = readList(account->changes, kChangesMax, chunks);
    if (!received || !dropped || !changes || !areSane(changes->items)) return std::nullopt;
    return PortContents{*ingress, *account, std::move(*received), std::move(*dropped),
                        std::move(*changes)};
  });
}

ForkContents readFork(const MappedMemory& memory, size_t slot) {
  const ForkSlot& fork = memory.fork(slot);
  const ChunksOf chunks(memory);
  return readWhole(fork.moves, "a fork", [&]() -> std::optional<ForkContents> {
    const auto account = fork.account.read();
    const auto progress = fork.progress.read();
    if (!progress || !account || !isSane(account->judge)) return std::nullopt;
    auto sent = readRanges(progress->sent, chunks);
    auto replayed = readRanges(account->replayed, chunks);
    auto overrun = readRanges(account->overrun, chunks);
    auto withheld = readRanges(account->withheld, chunks);
    auto late = readList(account->late, kLateCopiesMax, chunks);
    auto confirmed = readSpans(account->confirmed, chunks);
    auto denied = readSpans(account->denied, chunks);
    const bool all = sent && replayed && overrun && withheld && late && confirmed && denied;
    if (!all || !areSane(late->items)) return std::nullopt;
    return ForkContents{*progress,           *account,
                        std::move(*sent),    std::move(*replayed),
                        std::move(*overrun), std::move(*withheld),
                        std::move(*late),    std::move(*confirmed),
                        std::move(*denied)};
  });
}

}  // namespace tandem
