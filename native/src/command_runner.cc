#include "command_runner.h"

#include "wire_reports.h"

namespace tandem {

namespace {

struct Runner {
  Edge& edge;
  WireWriter& out;

  // The channel's own.
  void operator()(const HelloCommand&) const {}
  void operator()(const ResumeCommand&) const {}
  void operator()(const StatusCommand&) const {}
  void operator()(const ShutdownCommand&) const {}

  void operator()(const OpenPortCommand& c) const {
    write(out, edge.openPort(c.shard, c.host, c.latch));
  }
  void operator()(const SetRemoteCommand& c) const { edge.setRemote(c.portId, c.remote); }
  void operator()(const SetRoutesCommand& c) const { edge.setRoutes(c.routes); }
  void operator()(const ClosePortCommand& c) const { write(out, edge.closePort(c.portId)); }
  void operator()(const TakeStockCommand& c) const {
    write(out, edge.takeStock(c.portIds, c.forkIds));
  }
  void operator()(const AddForksCommand& c) const { write(out, edge.addForks(c.forks)); }
  void operator()(const SetForkTargetCommand& c) const {
    edge.setForkTarget(c.forkId, c.rtp, c.rtcp);
  }
  void operator()(const PauseForkCommand& c) const { edge.pauseFork(c.forkId, c.from); }
  void operator()(const ResumeForkCommand& c) const { edge.resumeFork(c.forkId); }
  void operator()(const EndForksCommand& c) const { write(out, edge.endForks(c.forkIds)); }
  void operator()(const RemoveForksCommand& c) const { write(out, edge.removeForks(c.forkIds)); }
  void operator()(const TakePrecedenceCommand& c) const {
    write(out, edge.takePrecedence(c.niceness));
  }
  void operator()(const InventoryCommand&) const { write(out, edge.inventory()); }
};

}  // namespace

void runCommand(Edge& edge, const EdgeCommand& command, WireWriter& out) {
  std::visit(Runner{edge, out}, command);
}

}  // namespace tandem
