#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "beats.h"

namespace tandem {

/** For how long one thread has shown no beat, by the looks of a process that sees it. */
class SilenceWatch {
 public:
  /** @param passedNs since the look before. Returns the silence in ns; 0 while it rests. */
  int64_t look(const Beat& beat, int64_t passedNs);
  void forget() { *this = {}; }

 private:
  int64_t seenNs_ = 0;
  int64_t silentNs_ = 0;
};

/** Time as it passes for who looks: no look counts for more than it was to. When the machine stands
 * still, whoever looks and those who are looked at do. */
class LookClock {
 public:
  /** Between two looks. */
  static constexpr int64_t kLookNs = kBeatMs * kNsPerMs;

  int64_t passedNs();
  /** Until the next look is due. */
  int64_t leftNs() const;

 private:
  int64_t lookedAtNs_ = monotonicNs();
};

struct Hang {
  /** Names of threads. */
  std::string threads;
  int64_t silentNs;
};

/** Looks at the threads of a worker. */
class WorkerWatch {
 public:
  /** @param hangNs that a thread of the packets may be silent */
  explicit WorkerWatch(int64_t hangNs) : hangNs_(hangNs) {}

  std::optional<Hang> look(const WorkerBeats& beats, int64_t passedNs);
  /** Another worker's come. */
  void forget();

 private:
  const int64_t hangNs_;
  /** That the worker has been at its start or its end. */
  int64_t restedNs_ = 0;
  SilenceWatch channel_;
  std::array<SilenceWatch, kThreadsMax> shards_;
};

}  // namespace tandem
