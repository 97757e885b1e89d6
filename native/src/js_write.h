#pragma once

#include <napi.h>

#include "edge.h"

namespace tandem {

// Plain data for JavaScript. Times are in Unix milliseconds of the edge's clock.

Napi::Value toJs(Napi::Env env, const Address& address);
Napi::Value toJs(Napi::Env env, const std::pair<Address, Address>& pair);
Napi::Value toJs(Napi::Env env, const OpenedPort& port);
Napi::Value toJs(Napi::Env env, const StreamReport& report);
Napi::Value toJs(Napi::Env env, const std::vector<StreamReport>& reports);
Napi::Value toJs(Napi::Env env, const std::vector<ForkReport>& reports);
Napi::Value toJs(Napi::Env env, const Stock& stock);
Napi::Value toJs(Napi::Env env, const std::vector<uint32_t>& ids);
Napi::Value toJs(Napi::Env env, const std::vector<std::optional<uint64_t>>& sequences);
/** A Float64Array, eleven numbers a fork, in the order of the struct. */
Napi::Value toJs(Napi::Env env, const std::vector<ForkSigns>& all);
Napi::Value toJs(Napi::Env env, const std::vector<RelayStallReport>& all);
/** A Float64Array, two numbers a port, in the order of the struct. */
Napi::Value toJs(Napi::Env env, const std::vector<LastHeard>& all);
Napi::Value toJs(Napi::Env env, const OpenedCapture& capture);
Napi::Value toJs(Napi::Env env, const CaptureReport& report);
Napi::Value toJs(Napi::Env env, const Counters& counters);
Napi::Value toJs(Napi::Env env, const Event& event);

}  // namespace tandem
