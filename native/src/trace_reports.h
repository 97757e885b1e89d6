#pragma once

#include <napi.h>

namespace tandem {

/** The judging of a recorder's reports on steps of what was sent to it and what it said: for tests.
 */
Napi::Value traceReports(const Napi::CallbackInfo& info);

}  // namespace tandem
