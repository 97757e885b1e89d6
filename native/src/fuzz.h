#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

/** Every byte of a datagram through the code of the packet path; nothing is sent. True if it would
 * have been taken. */
bool fuzzRtp(const uint8_t* data, size_t size);
bool fuzzRtcp(const uint8_t* data, size_t size);
/** What somebody says to the edge: true if all of it are commands. None is run. */
bool fuzzChannel(const uint8_t* data, size_t size);
/** Memory of an edge that somebody has written into; true if a view of it is opened all the same.
 */
bool fuzzMemory(const uint8_t* data, size_t size);

}  // namespace tandem
