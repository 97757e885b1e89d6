#include "keepers.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "clock.h"
#include "error.h"
#include "json_log.h"

namespace tandem {

namespace {

/** A worker that lived for so long is started again at once. */
constexpr int64_t kLivedNs = kNsPerSecond;
/** Between two starts of one that did not: twice as long each time. */
constexpr int64_t kBackoffMinNs = 10 * kNsPerMs;
constexpr int64_t kBackoffMaxNs = kNsPerSecond;
/** Until a keeper is looked for again that could not be started. */
constexpr int64_t kKeeperRetryNs = kNsPerSecond;

volatile sig_atomic_t stopWanted = 0;

/** 0 in the new process. Its descriptor stands in `member` before it runs. */
pid_t start(KeptProcesses::Member& member) {
  const int before = member.load();
  static_assert(sizeof member == sizeof(int) && KeptProcesses::Member::is_always_lock_free);
  const auto pid = static_cast<pid_t>(
      syscall(SYS_clone, CLONE_FILES | CLONE_PIDFD | SIGCHLD, nullptr, &member, nullptr, nullptr));
  if (pid == 0) return 0;
  if (before >= 0) close(before);
  if (pid < 0) member = -1;
  return pid;
}

bool isGone(const KeptProcesses::Member& member) {
  pollfd end{member.load(), POLLIN, 0};
  return end.fd < 0 || poll(&end, 1, 0) != 0;
}

class Keeper {
 public:
  Keeper(KeptProcesses& kept, int self) : kept_(kept), self_(self) {}

  /** Returns true in a worker that has just been started, and false when all is over. */
  bool run() {
    prctl(PR_SET_NAME, "edge-keeper");
    while (true) {
      if (kept_.active == self_) {
        if (kept_.isEnding && isGone(kept_.worker)) return false;
        keepOther();
        if (isWorkerDue() && startWorker()) return true;
      } else if (isGone(other())) {
        kept_.active = self_;
        isWorkerMissed_ = false;
        if (!kept_.isEnding) logWarning("a keeper of the edge was killed: the other one goes on");
        continue;
      }
      await();
    }
  }

 private:
  KeptProcesses::Member& other() { return kept_.keepers[1 - self_]; }

  void keepOther() {
    if (kept_.isEnding || !isGone(other())) return;
    // The new one is the other one.
    if (start(other()) == 0) self_ = 1 - self_;
  }

  bool isWorkerDue() {
    if (kept_.active != self_ || kept_.isEnding || !isGone(kept_.worker)) return false;
    const int64_t now = monotonicNs();
    if (!isWorkerMissed_) {
      isWorkerMissed_ = true;
      const bool isFirst = kept_.starts == 0;
      const bool hasLived = now - startedAtNs_ >= kLivedNs;
      backoffNs_ = hasLived ? 0 : std::clamp(2 * backoffNs_, kBackoffMinNs, kBackoffMaxNs);
      dueNs_ = now + (isFirst ? 0 : backoffNs_);
      if (!isFirst) logWarning("the edge was killed, and starts again", {{"starts", kept_.starts}});
    }
    return now >= dueNs_;
  }

  /** True in the worker. */
  bool startWorker() {
    ++kept_.starts;
    startedAtNs_ = monotonicNs();
    const pid_t pid = start(kept_.worker);
    if (pid == 0) return true;
    isWorkerMissed_ = false;
    if (pid < 0) logWarning("the edge's process cannot be started");
    return false;
  }

  void await() {
    if (stopWanted != 0 && !isGone(kept_.worker)) {
      stopWanted = 0;
      syscall(SYS_pidfd_send_signal, kept_.worker.load(), SIGTERM, nullptr, 0);
    }
    const bool isActive = kept_.active == self_;
    std::array<pollfd, 2> polled = {{
        {kept_.isEnding && isActive ? -1 : other().load(), POLLIN, 0},
        {isActive && !isWorkerMissed_ ? kept_.worker.load() : -1, POLLIN, 0},
    }};
    int64_t leftNs = polled[0].fd < 0 && !kept_.isEnding ? kKeeperRetryNs : INT64_MAX;
    if (isWorkerMissed_) leftNs = std::clamp<int64_t>(dueNs_ - monotonicNs(), 0, leftNs);
    const timespec left{leftNs / kNsPerSecond, leftNs % kNsPerSecond};
    sigset_t none;
    sigemptyset(&none);
    ppoll(polled.data(), polled.size(), leftNs == INT64_MAX ? nullptr : &left, &none);
  }

  KeptProcesses& kept_;
  int self_;
  bool isWorkerMissed_ = false;
  int64_t startedAtNs_ = monotonicNs();
  int64_t backoffNs_ = 0;
  int64_t dueNs_ = 0;
};

/** Those that ask for the end come when they are waited for. */
void takeSignals() {
  // Neither the death of a reader nor the end of a terminal is one; children are not waited for.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  struct sigaction action {};
  action.sa_handler = [](int) { stopWanted = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

}  // namespace

int keep(KeptProcesses& kept, const std::function<int()>& work) {
  takeSignals();
  kept.keepers[0] = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (kept.keepers[0] < 0) failErrno("pidfd_open");
  if (Keeper(kept, 0).run()) {
    prctl(PR_SET_NAME, "tandem-edge");
    return work();
  }
  return kept.exitCode;
}

}  // namespace tandem
