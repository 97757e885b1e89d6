#pragma once

#include <cstdint>
#include <list>
#include <span>

#include "channel_connection.h"
#include "channel_socket.h"
#include "edge.h"
#include "edge_command.h"
#include "event_queue.h"
#include "wire_writer.h"

namespace tandem {

/**
 * What control tells the edge, and what the edge tells control, on the main thread of the process.
 * One control at a time: a new one takes over. None of them is ever waited for, and none can hold
 * up packets: those are the edge threads' own.
 */
class Channel {
 public:
  /** `orphanNs`: without a control for so long, all ends. `stopFd` is readable when it is to end.
   */
  Channel(ChannelSocket& socket, Edge& edge, EventQueue& events, int64_t orphanNs, int stopFd);

  /** Until it is asked to end, by whom it may concern, or nobody has come for too long. */
  void run();

 private:
  using Connections = std::list<ChannelConnection>;

  bool hasControl() const { return !control_.empty(); }
  int timeoutMs() const;
  void acceptAll();
  void greet(Connections::iterator from);
  bool greetWith(ChannelConnection& connection, std::span<const uint8_t> frame);
  void takeOver(Connections::iterator from);
  void serveControl(bool isReadable);
  /** False when there is nothing left to do now. */
  bool runNext(ChannelConnection& control);
  void answer(ChannelConnection& control, std::span<const uint8_t> frame);
  void tellEvents();
  void loseControl(const char* why);
  void writeHello(WireWriter& out);
  void writeStatus(WireWriter& out) const;
  void endWaiting();

  ChannelSocket& socket_;
  Edge& edge_;
  EventQueue& events_;
  const int64_t orphanNs_;
  const int stopFd_;
  const int64_t startedNs_;
  /** At most one. */
  Connections control_;
  /** Have not said who they are. */
  Connections waiting_;
  /** Monotonic. */
  int64_t orphanAtNs_;
  bool ending_ = false;
  uint64_t controls_ = 0;
  uint64_t strangers_ = 0;
  uint64_t malformed_ = 0;
  int64_t strangerToldNs_ = 0;
};

}  // namespace tandem
