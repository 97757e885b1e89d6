#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "beats.h"

namespace tandem {

/** What the processes of one edge know of each other, in memory that they share. */
struct KeptProcesses {
  /** Descriptor of a process (pidfd_open(2)); -1: there is none. The kernel writes it before the
   * process runs. */
  using Member = std::atomic<int>;

  Member keepers[2] = {-1, -1};
  Member worker = -1;
  /** Which of the keepers starts whom. */
  std::atomic<int> active = 0;
  /** Set before the worker ends because it was to: nobody is started again. */
  std::atomic<bool> isEnding = false;
  std::atomic<int> exitCode = 0;
  /** Of the worker. */
  std::atomic<uint64_t> starts = 0;
  /** Somebody asked for the end: a worker that was killed before it had ended is followed by one
   * that does. */
  std::atomic<bool> isEndWanted = false;
  WorkerBeats beats;
  Beat keeperBeats[2];
};

/**
 * Three processes with one table of descriptors (CLONE_FILES): the worker, which does the work, and
 * two keepers, which do nothing. A socket that the worker opens is theirs in the same moment, and
 * stays open when the worker is killed: the next worker finds it there. Keepers start the worker
 * again, and each other; one of which a thread shows no beat for too long, they kill first.
 *
 * Called in a process of one thread, which becomes the first keeper. Returns in each of them: in
 * the worker what `work` returns, in the keepers when all is over.
 *
 * @param kept in memory that children share
 * @param hangNs that a thread may be silent
 */
int keep(KeptProcesses& kept, int64_t hangNs, const std::function<int()>& work);

}  // namespace tandem
