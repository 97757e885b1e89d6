#pragma once

#include <string>

namespace tandem {

/**
 * Tells the service manager how the service is (sd_notify(3)): one datagram that is not waited for.
 *
 * @param socket path of its socket; `@` at the front: an abstract one
 * @param state lines such as `READY=1`
 * @throws EdgeError where the path is none, or the datagram is not taken
 */
void notifyService(const std::string& socket, const std::string& state);

}  // namespace tandem
