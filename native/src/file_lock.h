#pragma once

#include <sys/types.h>

#include <optional>

namespace tandem {

/**
 * Locks a file for this process, until it closes a descriptor of that file or ends, however it ends
 * (fcntl(2), F_SETLK). Children do not inherit the lock.
 *
 * @param fd open for writing
 * @return nothing, or the process that has the lock; 0 where that is not to be seen from here
 * (another PID namespace)
 * @throws EdgeError where the file system has no locks
 */
std::optional<pid_t> lockFile(int fd);

}  // namespace tandem
