#pragma once

#include <napi.h>

#include "edge.h"

namespace tandem {

// Plain data from JavaScript. Throws EdgeError on what does not fit, naming the field.

EdgeOptions readEdgeOptions(const Napi::Value& value);
uint32_t readUint32(const Napi::Value& value, const char* field);
int readNiceness(const Napi::Value& value);
/** Milliseconds, of either sign, in nanoseconds. */
int64_t readSignedMs(const Napi::Value& value, const char* field);
/** Unix milliseconds of the edge's clock. */
int64_t readTime(const Napi::Value& value, const char* field);
/** An extended sequence number; 0 when absent. */
uint64_t readSequence(const Napi::Value& value, const char* field);
Address readSocketAddress(const Napi::Value& value, const char* field);
Address readHost(const Napi::Value& value, const char* field);
LatchPolicy readLatch(const Napi::Value& value);
PortRemote readPortRemote(const Napi::Value& value);
/** At most `kIdsPerListMax`. */
std::vector<PortRoute> readPortRoutes(const Napi::Value& value);
/** At most `kIdsPerListMax`. */
std::vector<uint32_t> readIds(const Napi::Value& value);
/** At most `kIdsPerListMax`. */
std::vector<AddForkOptions> readAddForks(const Napi::Value& value);
CaptureRemote readCaptureRemote(const Napi::Value& value);
OpenCaptureOptions readOpenCapture(const Napi::Value& value);
/** Descriptors, which are the caller's from then on. */
std::vector<UniqueFd> takeDescriptors(const Napi::Value& value, const char* field);
Napi::Object readObject(const Napi::Value& value, const char* field);
std::string readString(const Napi::Value& value, const char* field);

}  // namespace tandem
