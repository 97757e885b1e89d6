#pragma once

#include <napi.h>

#include "edge.h"

namespace tandem {

// Plain data between JavaScript and the edge. Reading throws EdgeError on what does not fit, naming
// the field.

EdgeOptions readEdgeOptions(const Napi::Value& value);
uint32_t readUint32(const Napi::Value& value, const char* field);
int readNiceness(const Napi::Value& value);
/** An extended sequence number; 0 when absent. */
/** Milliseconds, of either sign, in nanoseconds. */
int64_t readSignedMs(const Napi::Value& value, const char* field);
/** Unix milliseconds of the edge's clock. */
int64_t readTime(const Napi::Value& value, const char* field);
uint64_t readSequence(const Napi::Value& value, const char* field);
Address readSocketAddress(const Napi::Value& value, const char* field);
Address readHost(const Napi::Value& value, const char* field);
LatchPolicy readLatch(const Napi::Value& value);
PortRemote readPortRemote(const Napi::Value& value);
/** At most `kIdsPerListMax`. */
std::vector<PortRoute> readPortRoutes(const Napi::Value& value);
/** At most `kIdsPerListMax`. */
std::vector<uint32_t> readIds(const Napi::Value& value);
std::vector<AddForkOptions> readAddForks(const Napi::Value& value);
CaptureRemote readCaptureRemote(const Napi::Value& value);
OpenCaptureOptions readOpenCapture(const Napi::Value& value);
Napi::Object readObject(const Napi::Value& value, const char* field);
std::string readString(const Napi::Value& value, const char* field);

Napi::Value toJs(Napi::Env env, const Address& address);
Napi::Value toJs(Napi::Env env, const std::pair<Address, Address>& pair);
Napi::Value toJs(Napi::Env env, const OpenedPort& port);
Napi::Value toJs(Napi::Env env, const StreamReport& report);
Napi::Value toJs(Napi::Env env, const std::vector<StreamReport>& reports);
Napi::Value toJs(Napi::Env env, const std::vector<ForkReport>& reports);
Napi::Value toJs(Napi::Env env, const Stock& stock);
Napi::Value toJs(Napi::Env env, const std::vector<uint32_t>& ids);
/** A Float64Array, five numbers a fork, in the order of the struct; times in Unix ms. */
Napi::Value toJs(Napi::Env env, const std::vector<std::optional<uint64_t>>& sequences);
Napi::Value toJs(Napi::Env env, const std::vector<ForkSigns>& all);
Napi::Value toJs(Napi::Env env, const std::vector<RelayStallReport>& all);
/** A Float64Array, two numbers a port, in the order of the struct; times in Unix ms. */
Napi::Value toJs(Napi::Env env, const std::vector<LastHeard>& all);
Napi::Value toJs(Napi::Env env, const OpenedCapture& capture);
Napi::Value toJs(Napi::Env env, const CaptureReport& report);
Napi::Value toJs(Napi::Env env, const Counters& counters);
Napi::Value toJs(Napi::Env env, const Event& event);

}  // namespace tandem
