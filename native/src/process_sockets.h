#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "unique_fd.h"

namespace tandem {

/** Descriptors of this process for all UDP sockets that another one of this user has open: what is
 * taken from one that hangs, or, by a test, from one that is about to be killed. Throws EDGE_FAILED
 * where the system does not let it (pidfd_getfd(2)). */
std::vector<uint32_t> socketsOf(pid_t process);

/** All UDP sockets of this process. Whatever else is open goes, but for the standard streams,
 * descriptors of processes, and what is to be kept. */
std::vector<UniqueFd> takeOwnSockets(const std::vector<int>& keep);

}  // namespace tandem
