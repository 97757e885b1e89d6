#pragma once

#include <napi.h>

namespace tandem {

/** The pure parts of the packet path on tables of steps, for tests. */
void defineTables(Napi::Env env, Napi::Object& exports);

}  // namespace tandem
