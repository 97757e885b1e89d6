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
#include "hang_watch.h"
#include "json_log.h"

namespace tandem {

namespace {

/** A worker that lived for so long is started again at once. */
constexpr int64_t kLivedNs = kNsPerSecond;
/** Between two starts of one that did not: twice as long each time. */
constexpr int64_t kBackoffMinNs = 10 * kNsPerMs;
constexpr int64_t kBackoffMaxNs = kNsPerSecond;

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

void sendSignal(const KeptProcesses::Member& member, int number) {
  syscall(SYS_pidfd_send_signal, member.load(), number, nullptr, 0);
}

class Keeper {
 public:
  Keeper(KeptProcesses& kept, int self, int64_t hangNs)
      : kept_(kept), self_(self), hangNs_(hangNs), worker_(hangNs) {}

  /** Returns true in a worker that has just been started, and false when all is over. */
  bool run() {
    prctl(PR_SET_NAME, "edge-keeper");
    while (true) {
      endIfHung();
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
    // So that one is seen that hangs before its first beat.
    kept_.keeperBeats[1 - self_].show(monotonicNs());
    otherSilence_.forget();
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
    kept_.beats.clear();
    worker_.forget();
    const pid_t pid = start(kept_.worker);
    if (pid == 0) return true;
    isWorkerMissed_ = false;
    if (pid > 0 && kept_.isEndWanted) sendSignal(kept_.worker, SIGTERM);
    if (pid < 0) logWarning("the edge's process cannot be started");
    return false;
  }

  /** Whoever shows no beat any more is as good as killed, and others can go on where he was. */
  void endIfHung() {
    const int64_t passedNs = look_.passedNs();
    kept_.keeperBeats[self_].show(monotonicNs());
    const int64_t silentNs = otherSilence_.look(kept_.keeperBeats[1 - self_], passedNs);
    if (silentNs >= hangNs_ && !isGone(other())) {
      logWarning("a keeper of the edge hangs: it is killed", {{"silentMs", toMs(silentNs)}});
      sendSignal(other(), SIGKILL);
      otherSilence_.forget();
    }
    if (kept_.active != self_ || isGone(kept_.worker)) return;
    const auto hang = worker_.look(kept_.beats, passedNs);
    if (!hang) return;
    logWarning("the edge hangs: it is killed",
               {{"threads", hang->threads}, {"silentMs", toMs(hang->silentNs)}});
    sendSignal(kept_.worker, SIGKILL);
    worker_.forget();
  }

  static uint64_t toMs(int64_t ns) { return static_cast<uint64_t>(ns / kNsPerMs); }

  void await() {
    if (stopWanted != 0 && !isGone(kept_.worker)) {
      stopWanted = 0;
      kept_.isEndWanted = true;
      sendSignal(kept_.worker, SIGTERM);
    }
    const bool isActive = kept_.active == self_;
    std::array<pollfd, 2> polled = {{
        {kept_.isEnding && isActive ? -1 : other().load(), POLLIN, 0},
        {isActive && !isWorkerMissed_ ? kept_.worker.load() : -1, POLLIN, 0},
    }};
    int64_t leftNs = look_.leftNs();
    if (isWorkerMissed_) leftNs = std::clamp<int64_t>(dueNs_ - monotonicNs(), 0, leftNs);
    const timespec left{leftNs / kNsPerSecond, leftNs % kNsPerSecond};
    sigset_t none;
    sigemptyset(&none);
    ppoll(polled.data(), polled.size(), &left, &none);
  }

  KeptProcesses& kept_;
  int self_;
  const int64_t hangNs_;
  LookClock look_;
  SilenceWatch otherSilence_;
  WorkerWatch worker_;
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

int keep(KeptProcesses& kept, int64_t hangNs, const std::function<int()>& work) {
  takeSignals();
  kept.keepers[0] = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  if (kept.keepers[0] < 0) failErrno("pidfd_open");
  if (Keeper(kept, 0, hangNs).run()) {
    prctl(PR_SET_NAME, "tandem-edge");
    return work();
  }
  return kept.exitCode;
}

}  // namespace tandem
