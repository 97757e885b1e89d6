#include "process_sockets.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "error.h"

namespace tandem {

namespace {

bool isUdp(int fd) {
  int type = 0;
  int domain = 0;
  socklen_t length = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return false;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) return false;
  return type == SOCK_DGRAM && (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

std::vector<uint32_t> socketsOf(pid_t process) {
  const UniqueFd target(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  if (!target.valid()) failErrno("pidfd_open");
  std::vector<UniqueFd> taken;
  const auto folder = "/proc/" + std::to_string(process) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::error_code unreadable;
    const auto link = std::filesystem::read_symlink(entry.path(), unreadable).string();
    if (link.rfind("socket:", 0) != 0) continue;
    const int number = std::stoi(entry.path().filename());
    UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_getfd, target.get(), number, 0)));
    if (!fd.valid()) failErrno("pidfd_getfd");
    if (isUdp(fd.get())) taken.push_back(std::move(fd));
  }
  std::vector<uint32_t> numbers;
  for (UniqueFd& fd : taken) numbers.push_back(static_cast<uint32_t>(fd.release()));
  return numbers;
}

std::vector<UniqueFd> takeOwnSockets(const std::vector<int>& keep) {
  struct Open {
    int fd;
    std::string link;
  };
  std::vector<Open> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code unreadable;
    all.push_back({std::stoi(entry.path().filename()),
                   std::filesystem::read_symlink(entry.path(), unreadable).string()});
  }
  std::vector<UniqueFd> sockets;
  for (const Open& open : all) {
    const bool isProcess = open.link == "anon_inode:[pidfd]" || open.link.starts_with("pidfd:");
    const bool isKept = std::find(keep.begin(), keep.end(), open.fd) != keep.end();
    if (open.fd <= STDERR_FILENO || isProcess || isKept) continue;
    UniqueFd fd(open.fd);
    if (isUdp(fd.get())) sockets.push_back(std::move(fd));
  }
  return sockets;
}

}  // namespace tandem
