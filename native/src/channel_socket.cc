#include "channel_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "error.h"
#include "limits.h"

namespace tandem {

namespace {

std::string holderOf(int lock) {
  std::array<char, 16> text{};
  const ssize_t size = pread(lock, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<size_t>(size)) : "unknown";
}

UniqueFd takeLock(const std::string& path) {
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!lock.valid()) failErrno(path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) failErrno(path);
    throw EdgeError("EDGE_HELD", "process " + holderOf(lock.get()) + " holds " + path);
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    failErrno(path);
  }
  return lock;
}

}  // namespace

ChannelSocket::ChannelSocket(const std::string& path) : path_(path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    fail("socket is longer than " + std::to_string(sizeof address.sun_path - 1) +
         " bytes: " + path);
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  lock_ = takeLock(path + ".lock");
  listening_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listening_.valid()) failErrno("socket");
  unlink(path.c_str());
  const mode_t before = umask(S_IRWXG | S_IRWXO | S_IXUSR);
  const int bound =
      bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  umask(before);
  if (bound != 0) failErrno("bind " + path, error);
  if (listen(listening_.get(), kConnectionsMax) != 0) failErrno("listen");
}

ChannelSocket::~ChannelSocket() { hide(); }

void ChannelSocket::hide() { unlink(path_.c_str()); }

UniqueFd ChannelSocket::accept() {
  return UniqueFd(accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

bool ChannelSocket::isOurs(int connection) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

}  // namespace tandem
