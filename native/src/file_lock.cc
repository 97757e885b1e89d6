#include "file_lock.h"

#include <fcntl.h>

#include "error.h"

namespace tandem {

std::optional<pid_t> lockFile(int fd) {
  for (;;) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(fd, F_SETLK, &lock) == 0) return std::nullopt;
    if (errno != EACCES && errno != EAGAIN) failErrno("lock");
    if (fcntl(fd, F_GETLK, &lock) != 0) failErrno("lock");
    // Whoever had it has let go of it meanwhile: asked again.
    if (lock.l_type != F_UNLCK) return lock.l_pid;
  }
}

}  // namespace tandem
