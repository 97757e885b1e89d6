#pragma once

#include <napi.h>

namespace tandem {

/** What a port thinks of mediasoup, step by step, without sockets: for tests. See
 * `Addon.traceRelay`. */
Napi::Value traceRelay(const Napi::CallbackInfo& info);

}  // namespace tandem
