#include "edge_command.h"

#include <cmath>
#include <string>

#include "limits.h"

namespace tandem {

namespace {

double within(double number, double min, double max, const char* field) {
  if (!(number >= min && number <= max)) fail(std::string(field) + " is out of range");
  return number;
}

/** Extended numbers fit into what a double counts exactly. */
uint64_t readSequence(WireReader& reader, const char* field) {
  return static_cast<uint64_t>(within(reader.f64(), 0, 9e15, field));
}

size_t readLength(WireReader& reader, size_t max, const char* field) {
  const size_t length = reader.u16();
  if (length > max) fail(std::string(field) + " has too many entries");
  return length;
}

std::vector<uint32_t> readIds(WireReader& reader) {
  std::vector<uint32_t> ids(readLength(reader, kIdsPerListMax, "ids"));
  for (uint32_t& id : ids) id = reader.u32();
  return ids;
}

ClockRates readClockRates(WireReader& reader) {
  ClockRates rates;
  const size_t length = readLength(reader, 128, "clockRates");
  for (size_t i = 0; i < length; ++i) {
    const uint8_t payloadType = reader.u8();
    if (payloadType > 127) fail("clockRates has a payload type that is not within 0..127");
    rates.set(payloadType, static_cast<uint32_t>(within(reader.u32(), 1, 1'000'000, "clockRates")));
  }
  return rates;
}

PortRemote readRemote(WireReader& reader) {
  PortRemote remote;
  remote.rtp = reader.address("remote.rtp");
  remote.rtcp = reader.address("remote.rtcp");
  remote.send = reader.flag();
  remote.clockRates = readClockRates(reader);
  return remote;
}

PortRoute readRoute(WireReader& reader) {
  PortRoute route;
  route.portId = reader.u32();
  route.kind = static_cast<PortRoute::Kind>(reader.choice(WireRoute::kBypass));
  if (reader.flag()) route.peerPortId = reader.u32();
  const bool isRelay = route.kind == PortRoute::Kind::kRelay;
  const bool isNone = route.kind == PortRoute::Kind::kNone;
  if (isNone == route.peerPortId.has_value() && !isRelay)
    throw WireError("a route with a port too many or too few");
  if (!isRelay) return route;
  route.to = reader.address("route.to");
  const size_t length = readLength(reader, 128, "route.payloadTypes");
  for (size_t i = 0; i < length; ++i) {
    const uint8_t payloadType = reader.u8();
    if (payloadType > 127) fail("route.payloadTypes is out of range");
    route.payloadTypes.set(payloadType);
  }
  return route;
}

AddForkOptions readFork(WireReader& reader) {
  AddForkOptions fork;
  fork.portId = reader.u32();
  fork.streamIndex = reader.u32();
  fork.rtp = reader.address("rtp");
  fork.rtcp = reader.address("rtcp");
  fork.from.kind = static_cast<StartKind>(reader.choice(WireStart::kSequence));
  fork.from.extended = readSequence(reader, "from.sequence");
  if (reader.flag()) fork.pausedFrom = readSequence(reader, "pausedFrom");
  fork.keptOut.resize(readLength(reader, kKeptOutMax, "keptOut"));
  for (KeptOut& range : fork.keptOut) {
    range.first = readSequence(reader, "keptOut.first");
    range.last = readSequence(reader, "keptOut.last");
  }
  return fork;
}

template <typename Item>
std::vector<Item> readList(WireReader& reader, Item (*read)(WireReader&), const char* field) {
  const size_t length = readLength(reader, kIdsPerListMax, field);
  std::vector<Item> items;
  for (size_t i = 0; i < length; ++i) items.push_back(read(reader));
  return items;
}

EdgeCommand readFields(WireCommand command, WireReader& reader) {
  switch (command) {
    case WireCommand::kHello: {
      const uint32_t magic = reader.u32();
      return HelloCommand{magic, reader.u16()};
    }
    case WireCommand::kResume: {
      const uint32_t magic = reader.u32();
      const HelloCommand hello{magic, reader.u16()};
      const uint64_t low = reader.u32();
      return ResumeCommand{hello, low | uint64_t{reader.u32()} << 32};
    }
    case WireCommand::kOpenPort: {
      OpenPortCommand open;
      open.shard = reader.u32();
      open.host = reader.address("host");
      open.latch = static_cast<LatchPolicy>(reader.choice(WireLatch::kAny));
      return open;
    }
    case WireCommand::kSetRemote: {
      const uint32_t portId = reader.u32();
      return SetRemoteCommand{portId, readRemote(reader)};
    }
    case WireCommand::kSetRoutes:
      return SetRoutesCommand{readList(reader, readRoute, "routes")};
    case WireCommand::kClosePort:
      return ClosePortCommand{reader.u32()};
    case WireCommand::kTakeStock: {
      std::vector<uint32_t> portIds = readIds(reader);
      return TakeStockCommand{std::move(portIds), readIds(reader)};
    }
    case WireCommand::kAddForks:
      return AddForksCommand{readList(reader, readFork, "forks")};
    case WireCommand::kSetForkTarget: {
      SetForkTargetCommand target;
      target.forkId = reader.u32();
      target.rtp = reader.address("rtp");
      target.rtcp = reader.address("rtcp");
      return target;
    }
    case WireCommand::kPauseFork: {
      const uint32_t forkId = reader.u32();
      return PauseForkCommand{forkId, readSequence(reader, "from")};
    }
    case WireCommand::kResumeFork:
      return ResumeForkCommand{reader.u32()};
    case WireCommand::kEndForks:
      return EndForksCommand{readIds(reader)};
    case WireCommand::kRemoveForks:
      return RemoveForksCommand{readIds(reader)};
    case WireCommand::kTakePrecedence:
      return TakePrecedenceCommand{static_cast<int>(within(reader.f64(), -20, 19, "niceness"))};
    case WireCommand::kInventory:
      return InventoryCommand{};
    case WireCommand::kStatus:
      return StatusCommand{};
    case WireCommand::kShutdown:
      return ShutdownCommand{};
  }
  throw WireError("a command that there is not");
}

}  // namespace

EdgeCommand readCommand(WireCommand command, WireReader& reader) {
  EdgeCommand read = readFields(command, reader);
  reader.end();
  return read;
}

}  // namespace tandem
