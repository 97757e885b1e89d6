// tandem-edge: the packet path as a process of its own. It tells whoever starts it on standard
// output, in one line of JSON, that it is ready or why it is not; its log goes to standard error.

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "channel.h"
#include "clock.h"
#include "confine.h"
#include "json_log.h"
#include "program_options.h"

namespace tandem {

namespace {

/** For good: whoever reads it has heard all. */
void sayOnce(JsonFields fields) {
  const std::string line = toJson(fields) + "\n";
  // Nobody need listen.
  const ssize_t written = write(STDOUT_FILENO, line.data(), line.size());
  static_cast<void>(written);
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (nowhere.valid()) dup2(nowhere.get(), STDOUT_FILENO);
}

/** Signals that ask for the end, to be read. Threads that are made later do not get them. */
UniqueFd takeSignals() {
  // Neither the death of a reader nor the end of a terminal is one.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) failErrno("signalfd");
  return fd;
}

void takePrecedence(Edge& edge, int niceness) {
  if (!edge.takePrecedence(niceness))
    logWarning("the edge's threads do not come first: the system does not allow it");
}

void run(const ProgramOptions& options) {
  // Fails where it leads a session already.
  setsid();
  const UniqueFd stop = takeSignals();
  confineProcess();
  if (options.clockOffsetNs) startClock(*options.clockOffsetNs);
  ChannelSocket socket(options.socket);
  EventQueue events;
  Edge edge(options.edge, events);
  if (options.niceness) takePrecedence(edge, *options.niceness);
  edge.onEveryThread(dropCapabilities);
  dropCapabilities();
  if (!filterSystemCalls()) logWarning("the system has no filter for system calls");
  logInfo("ready", {{"socket", options.socket}});
  sayOnce({{"pid", static_cast<uint64_t>(getpid())}});
  Channel(socket, edge, events, options.orphanNs, stop.get()).run();
  edge.endCalls();
  logInfo("ended");
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
