#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>

#include "beats.h"
#include "channel_connection.h"
#include "channel_socket.h"
#include "edge.h"
#include "edge_command.h"
#include "event_queue.h"
#include "order_book.h"
#include "wire_writer.h"

namespace tandem {

struct ChannelOptions {
  /** Without a control for so long, all ends. */
  int64_t orphanNs;
  /** Readable when it is to end. */
  int stopFd;
  /** Another edge was killed, whose control is to come back. */
  bool isSuccessor;
  /** How many processes had the packets, this one included. */
  uint32_t starts;
  /** For tests: an order to open a port at this address kills the edge, as a defect would. */
  std::optional<Address> fatalHost;
  /** And one at this address hangs its threads. */
  std::optional<Address> hangHost;
};

/**
 * What control tells the edge, and what the edge tells control, on the main thread of the process.
 * One control at a time: a new one takes over. None of them is ever waited for, and none can hold
 * up packets: those are the edge threads' own.
 */
class Channel {
 public:
  Channel(ChannelSocket& socket, Edge& edge, EventQueue& events, OrderBook& orders, Beat& beat,
          const ChannelOptions& options);

  /** Until it is asked to end, by whom it may concern, or nobody has come for too long. */
  void run();

 private:
  using Connections = std::list<ChannelConnection>;

  bool hasControl() const { return !control_.empty(); }
  int timeoutMs() const;
  void serveUntilEnd();
  void carryOutFault(const OpenPortCommand& command);
  void acceptAll();
  void greet(Connections::iterator from);
  /** True for one that is welcome. */
  bool greetWith(ChannelConnection& connection, std::span<const uint8_t> frame);
  void takeOver(Connections::iterator from);
  void bypassRelays();
  void serveControl(bool isReadable);
  /** False when there is nothing left to do now. */
  bool runNext(ChannelConnection& control);
  void answer(ChannelConnection& control, std::span<const uint8_t> frame);
  /** As it was answered before. */
  void answerAgain(ChannelConnection& control, uint32_t number);
  void carryOut(const EdgeCommand& command, WireWriter& out, bool isAgain);
  void tellEvents();
  void loseControl(const char* why);
  void writeHello(WireWriter& out);
  void writeStatus(WireWriter& out) const;
  void endWaiting();

  ChannelSocket& socket_;
  Edge& edge_;
  EventQueue& events_;
  OrderBook& orders_;
  Beat& beat_;
  const ChannelOptions options_;
  /** At most one. */
  Connections control_;
  /** Have not said who they are. */
  Connections waiting_;
  /** Monotonic. */
  int64_t orphanAtNs_;
  /** Until then the control of a predecessor has to be back: else it is gone, and with it what
   * relays lead through. */
  int64_t backByNs_;
  uint64_t session_ = 0;
  bool ending_ = false;
  uint64_t controls_ = 0;
  uint64_t strangers_ = 0;
  uint64_t malformed_ = 0;
  int64_t strangerToldNs_ = 0;
};

}  // namespace tandem
