#pragma once

#include <sys/types.h>

namespace tandem {

/** Who is at the other end of a Unix socket, as the kernel knows it (SO_PEERCRED, unix(7)): it
 * cannot be made up. */
struct PeerCredentials {
  pid_t pid;
  uid_t uid;
};

/** @throws EdgeError where `fd` is no connected Unix socket */
PeerCredentials peerCredentials(int fd);

}  // namespace tandem
