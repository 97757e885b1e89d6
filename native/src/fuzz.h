#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

/** Every byte of a datagram through the code of the packet path; nothing is sent. True if it would
 * have been taken. */
bool fuzzRtp(const uint8_t* data, size_t size);
bool fuzzRtcp(const uint8_t* data, size_t size);

}  // namespace tandem
