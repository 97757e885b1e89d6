#include "hang_watch.h"

#include <algorithm>

namespace tandem {

namespace {

/** To take over what another one left, or to say goodbye to all recorders. */
constexpr int64_t kRestNsMax = 15 * kNsPerSecond;
/** Packets do not wait for the channel, and on a busy machine it does not come first. */
constexpr int64_t kChannelPatience = 4;

}  // namespace

int64_t SilenceWatch::look(const Beat& beat, int64_t passedNs) {
  const int64_t atNs = beat.atNs();
  silentNs_ = atNs == 0 || atNs != seenNs_ ? 0 : silentNs_ + passedNs;
  seenNs_ = atNs;
  return silentNs_;
}

int64_t LookClock::passedNs() {
  const int64_t now = monotonicNs();
  const int64_t passedNs = now - lookedAtNs_;
  lookedAtNs_ = now;
  return std::min(passedNs, kLookNs);
}

int64_t LookClock::leftNs() const {
  return std::max<int64_t>(0, lookedAtNs_ + kLookNs - monotonicNs());
}

std::optional<Hang> WorkerWatch::look(const WorkerBeats& beats, int64_t passedNs) {
  if (beats.channel.atNs() == 0) {
    restedNs_ += passedNs;
    channel_.forget();
    for (SilenceWatch& shard : shards_) shard.forget();
    if (restedNs_ < kRestNsMax) return std::nullopt;
    return Hang{"channel", restedNs_};
  }
  restedNs_ = 0;
  Hang hang{"", 0};
  const auto add = [&](const std::string& name, int64_t silentNs, int64_t limitNs) {
    if (silentNs < limitNs) return;
    hang.threads += (hang.threads.empty() ? "" : " ") + name;
    hang.silentNs = std::max(hang.silentNs, silentNs);
  };
  for (size_t i = 0; i < shards_.size(); ++i)
    add("edge-" + std::to_string(i), shards_[i].look(beats.shards[i], passedNs), hangNs_);
  add("channel", channel_.look(beats.channel, passedNs), kChannelPatience * hangNs_);
  if (hang.threads.empty()) return std::nullopt;
  return hang;
}

void WorkerWatch::forget() {
  restedNs_ = 0;
  channel_.forget();
  for (SilenceWatch& shard : shards_) shard.forget();
}

}  // namespace tandem
