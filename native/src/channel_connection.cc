#include "channel_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "limits.h"

namespace tandem {

namespace {

bool isLater(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

bool ChannelConnection::receive() {
  std::array<uint8_t, kChannelReadBytes> bytes;
  const ssize_t size = recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size == 0) return false;
  if (size < 0) return isLater(errno);
  frames_.push({bytes.data(), static_cast<size_t>(size)});
  return true;
}

bool ChannelConnection::isEnded() const {
  pollfd end{fd_.get(), POLLRDHUP, 0};
  return poll(&end, 1, 0) == 1;
}

bool ChannelConnection::flush() {
  while (pending() > 0) {
    const ssize_t size = send(fd_.get(), &out_[sent_], pending(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) return isLater(errno);
    sent_ += static_cast<size_t>(size);
  }
  out_.clear();
  sent_ = 0;
  // One large answer does not stay in memory.
  if (out_.capacity() > kChannelPendingMax) out_.shrink_to_fit();
  return true;
}

}  // namespace tandem
