#include "service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "error.h"
#include "unique_fd.h"

namespace tandem {

void notifyService(const std::string& socket, const std::string& state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool isPath = !socket.empty() && (socket[0] == '/' || socket[0] == '@');
  if (!isPath || socket.size() >= sizeof address.sun_path) fail("no socket path: " + socket);
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (socket[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) failErrno("socket");
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  if (sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    failErrno(socket);
  }
}

}  // namespace tandem
