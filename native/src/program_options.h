#pragma once

#include <optional>
#include <string>

#include "edge.h"

namespace tandem {

/** What tandem-edge is started with. */
struct ProgramOptions {
  EdgeOptions edge;
  /** Path of the channel's socket. */
  std::string socket;
  int64_t orphanNs;
  /** A thread that shows nothing for so long hangs. */
  int64_t hangNs;
  std::optional<int> niceness;
  /** From the monotonic clock to that of whoever starts it. */
  std::optional<int64_t> clockOffsetNs;
  /** See `ChannelOptions`. */
  std::optional<Address> fatalHost;
  std::optional<Address> hangHost;
};

/** @throws EdgeError EDGE_FAILED, naming the option */
ProgramOptions readProgramOptions(int argc, char** argv);

}  // namespace tandem
