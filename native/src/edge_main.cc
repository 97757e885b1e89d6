// tandem-edge: the packet path as a process of its own. It tells whoever starts it on standard
// output, in one line of JSON, that it is ready or why it is not; its log goes to standard error.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "channel.h"
#include "clock.h"
#include "confine.h"
#include "json_log.h"
#include "keepers.h"
#include "order_book.h"
#include "precedence.h"
#include "process_sockets.h"
#include "program_options.h"

namespace tandem {

namespace {

/** Successors that may be killed as they take over: then what they take over is what kills them. */
constexpr uint32_t kAdoptionsMax = 3;

/** For good: whoever reads it has heard all. */
void sayOnce(JsonFields fields) {
  const std::string line = toJson(fields) + "\n";
  // Nobody need listen.
  const ssize_t written = write(STDOUT_FILENO, line.data(), line.size());
  static_cast<void>(written);
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere.valid()) dup2(nowhere.get(), STDOUT_FILENO);
}

/** What outlives a worker beside the edge's memory. */
struct KeptState {
  KeptProcesses processes;
  OrderRecords orders;
};

KeptState& makeKeptState() {
  void* memory = mmap(nullptr, sizeof(KeptState), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) failErrno("map what is kept");
  return *new (memory) KeptState;
}

/** Signals that ask for the end, to be read. They are blocked. */
UniqueFd signalsToRead() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) failErrno("signalfd");
  return fd;
}

/** One program from the start of its first process to the end of its last. */
class EdgeProgram {
 public:
  explicit EdgeProgram(const ProgramOptions& options)
      : options_(options), socket_(options.socket), kept_(makeKeptState()) {}

  int run() {
    if (options_.niceness && !takePrecedence(0, *options_.niceness))
      logWarning("the edge's threads do not come first: the system does not allow it");
    dropCapabilities();
    if (!filterSystemCalls()) logWarning("the system has no filter for system calls");
    const int code = keep(kept_.processes, options_.hangNs, [this] { return work(); });
    if (kept_.processes.isEnding) takeAway();
    // Descriptors are closed with the last process: as long as one lives, the place is taken.
    _exit(code);
  }

 private:
  int work() {
    const bool isFirst = kept_.processes.starts == 1;
    try {
      workUntilEnd();
      return 0;
    } catch (const EdgeError& error) {
      sayWhy(error.code(), error.what());
    } catch (const std::exception& error) {
      sayWhy("EDGE_FAILED", error.what());
    }
    kept_.processes.exitCode = 1;
    // What cannot begin is not tried again; what was there before is.
    if (isFirst) kept_.processes.isEnding = true;
    return 1;
  }

  void workUntilEnd() {
    std::vector<UniqueFd> sockets = takeOwnSockets({socket_.fd(), socket_.lockFd()});
    const UniqueFd stop = signalsToRead();
    OrderBook orders(kept_.orders);
    EventQueue events;
    std::unique_ptr<Edge> edge = goOn(std::move(sockets), events);
    const bool isSuccessor = edge != nullptr;
    if (!isSuccessor) {
      // Whose calls are lost, that control is told.
      orders.beginSession();
      unlink(options_.edge.memoryFile.c_str());
      if (options_.clockOffsetNs) startClock(*options_.clockOffsetNs);
      edge = std::make_unique<Edge>(options_.edge, events, &kept_.processes.beats);
    }
    // Only those of the packets come first.
    if (options_.niceness) takePrecedence(0, niceness_);
    logInfo("ready", {{"socket", options_.socket}, {"starts", kept_.processes.starts}});
    sayOnce({{"pid", static_cast<uint64_t>(getpid())}});
    Channel(socket_, *edge, events, orders, kept_.processes.beats.channel,
            {options_.orphanNs, stop.get(), isSuccessor,
             static_cast<uint32_t>(kept_.processes.starts), options_.fatalHost, options_.hangHost})
        .run();
    kept_.processes.isEnding = true;
    edge->endCalls();
    takeAway();
    logInfo("ended");
  }

  /** In the place of the one that was killed, if there was one and it left what can be gone on
   * with. */
  std::unique_ptr<Edge> goOn(std::vector<UniqueFd> sockets, EventQueue& events) {
    if (kept_.processes.starts == 1) return nullptr;
    if (++kept_.orders.adoptions > kAdoptionsMax) {
      logWarning("the edge's memory kills whoever takes it over: all calls are lost");
      kept_.orders.adoptions = 0;
      return nullptr;
    }
    try {
      const std::string& file = options_.edge.memoryFile;
      UniqueFd memory(open(file.c_str(), O_RDWR | O_CLOEXEC));
      if (!memory.valid()) failErrno(file);
      // It may be what was in hand that kills: packets of one wake-up against all calls.
      if (kept_.orders.adoptions > 1) EdgeMemory::dropBatches(memory.get());
      auto edge = std::make_unique<Edge>(std::move(memory), std::move(sockets), events, file,
                                         &kept_.processes.beats);
      kept_.orders.adoptions = 0;
      logWarning("the edge goes on where another one was killed");
      return edge;
    } catch (const EdgeError& error) {
      logWarning("what an edge left that was killed is lost", {{"reason", error.what()}});
      return nullptr;
    }
  }

  void sayWhy(const std::string& code, const char* why) {
    logWarning(why, {{"code", code}});
    sayOnce({{"code", code}, {"message", why}});
  }

  void takeAway() {
    unlink(options_.edge.memoryFile.c_str());
    socket_.hide();
  }

  const ProgramOptions options_;
  const int niceness_ = getpriority(PRIO_PROCESS, 0);
  ChannelSocket socket_;
  KeptState& kept_;
};

void run(const ProgramOptions& options) {
  // Fails where it leads a session already.
  setsid();
  confineProcess();
  // Whoever has the socket has the memory.
  EdgeProgram(options).run();
}

int mainOf(int argc, char** argv) {
  try {
    run(readProgramOptions(argc, argv));
    return 0;
  } catch (const EdgeError& error) {
    logWarning(error.what(), {{"code", error.code()}});
    sayOnce({{"code", error.code()}, {"message", error.what()}});
  } catch (const std::exception& error) {
    logWarning(error.what());
    sayOnce({{"code", "EDGE_FAILED"}, {"message", error.what()}});
  }
  return 1;
}

}  // namespace

}  // namespace tandem

int main(int argc, char** argv) { return tandem::mainOf(argc, argv); }
