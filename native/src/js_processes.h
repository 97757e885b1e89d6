#pragma once

#include <napi.h>

namespace tandem {

/** What Node does not offer of the system: peer credentials, file locks, the service manager's
 * socket. */
void defineProcesses(Napi::Env env, Napi::Object& exports);

}  // namespace tandem
