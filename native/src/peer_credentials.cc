#include "peer_credentials.h"

#include <sys/socket.h>

#include "error.h"

namespace tandem {

PeerCredentials peerCredentials(int fd) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    failErrno("peer credentials");
  }
  return {credentials.pid, credentials.uid};
}

}  // namespace tandem
