#pragma once

#include <napi.h>

namespace tandem {

/** What lies in shared memory on tables of steps, for tests. */
void defineMemoryTables(Napi::Env env, Napi::Object& tables);

}  // namespace tandem
