#pragma once

#include <cstdint>

namespace tandem {

/** How far one socket has been read. */
struct ReadState {
  /** As the last datagram told it. */
  uint32_t drops = 0;
  /** What is still to be read came then or later. */
  int64_t notBeforeNs = 0;
};

}  // namespace tandem
