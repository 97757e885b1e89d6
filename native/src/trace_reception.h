#pragma once

#include <napi.h>

namespace tandem {

/** What a capture's stream would report, step by step, without sockets: for tests. See
 * `Addon.traceReception`. */
Napi::Value traceReception(const Napi::CallbackInfo& info);

}  // namespace tandem
