#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

//  What control and edge say to each other over a stream socket. src/edge/wire.ts says the same; a
//  test holds them to each other. Numbers are little-endian. All that counts or tells time is a
//  double: times are Unix milliseconds of the edge's clock.
//
//   0               4       5
//  +---------------+-------+----------------------------+
//  | bytes behind  | what  | its fields                 |
//  +---------------+-------+----------------------------+
//
//  To the edge, `what` is a WireCommand, and the first field is the command's number (32 bits).
//  From the edge it is a WireReply: an answer and an error begin with the number of the command
//  that they are for, and come in the order of the commands.
//
//  What is only looked at is not asked for: it is read out of the edge's memory, whose file the
//  answer to hello names.
//
//  The first command is hello. Its fields, and those of the error that answers it, are the same in
//  every version. A control whose connection ended, as the edge was killed, comes back with resume
//  instead, by the session that the answer to hello named, and says again what was not answered, in
//  its order and by its numbers: what was done is answered as it was, and not done twice.

inline constexpr uint32_t kWireMagic = 0x4d444e54;
inline constexpr uint16_t kWireVersion = 3;

/** Of a whole frame. The largest command has 64 forks that leave out 64 ranges each. */
inline constexpr size_t kCommandBytesMax = 262144;
/** Of a whole frame. What is larger is an error: less is to be asked for at once. */
inline constexpr size_t kAnswerBytesMax = 268435456;
inline constexpr size_t kHelloBytesMax = 64;

enum class WireCommand : uint8_t {
  kHello = 0,
  kOpenPort = 1,
  kSetRemote = 2,
  kSetRoutes = 3,
  kClosePort = 4,
  kTakeStock = 5,
  kAddForks = 6,
  kSetForkTarget = 7,
  kPauseFork = 8,
  kResumeFork = 9,
  kEndForks = 10,
  kRemoveForks = 11,
  kTakePrecedence = 12,
  kInventory = 13,
  kStatus = 14,
  kShutdown = 15,
  kResume = 16,
};

enum class WireReply : uint8_t { kAnswer = 0, kError = 1, kEvent = 2 };

enum class WireLatch : uint8_t { kAnnounced = 0, kAny = 1 };
enum class WireRoute : uint8_t { kNone = 0, kDirect = 1, kRelay = 2, kBypass = 3 };
enum class WireStart : uint8_t { kLive = 0, kOldest = 1, kSequence = 2 };
enum class WireForkState : uint8_t { kCatchingUp = 0, kLive = 1, kPaused = 2, kEnded = 3 };

enum class WireEvent : uint8_t {
  kLatched = 0,
  kMoved = 1,
  kSsrcChanged = 2,
  kRelaySilent = 3,
  kForkRefused = 4,
  kForkLive = 5,
  kForkOverrun = 6,
  kForkEnded = 7,
};

}  // namespace tandem
