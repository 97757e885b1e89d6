#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "edge.h"
#include "wire_reader.h"

namespace tandem {

// What control asks of the edge. `Edge` says what each of them means.

struct HelloCommand {
  uint32_t magic;
  uint16_t version;
};
struct ResumeCommand {
  HelloCommand hello;
  uint64_t session;
};
struct OpenPortCommand {
  uint32_t shard;
  Address host;
  LatchPolicy latch;
};
struct SetRemoteCommand {
  uint32_t portId;
  PortRemote remote;
};
struct SetRoutesCommand {
  std::vector<PortRoute> routes;
};
struct ClosePortCommand {
  uint32_t portId;
};
struct TakeStockCommand {
  std::vector<uint32_t> portIds;
  std::vector<uint32_t> forkIds;
};
struct AddForksCommand {
  std::vector<AddForkOptions> forks;
};
struct SetForkTargetCommand {
  uint32_t forkId;
  Address rtp;
  Address rtcp;
};
struct PauseForkCommand {
  uint32_t forkId;
  uint64_t from;
};
struct ResumeForkCommand {
  uint32_t forkId;
};
struct EndForksCommand {
  std::vector<uint32_t> forkIds;
};
struct RemoveForksCommand {
  std::vector<uint32_t> forkIds;
};
struct TakePrecedenceCommand {
  int niceness;
};
struct InventoryCommand {};
struct StatusCommand {};
struct ShutdownCommand {};

using EdgeCommand = std::variant<HelloCommand, OpenPortCommand, SetRemoteCommand, SetRoutesCommand,
                                 ClosePortCommand, TakeStockCommand, AddForksCommand,
                                 SetForkTargetCommand, PauseForkCommand, ResumeForkCommand,
                                 EndForksCommand, RemoveForksCommand, TakePrecedenceCommand,
                                 InventoryCommand, StatusCommand, ShutdownCommand, ResumeCommand>;

/**
 * The fields of a command, all that `reader` has.
 * @throws WireError for bytes that are no such command; EdgeError for one with a value that does
 * not fit
 */
EdgeCommand readCommand(WireCommand command, WireReader& reader);

}  // namespace tandem
