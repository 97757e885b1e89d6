#pragma once

#include <string>

#include "unique_fd.h"

namespace tandem {

/**
 * The socket that control connects to, for its user alone (0600). As long as it is there, no other
 * process has one of that path: what a dead one left is replaced.
 */
class ChannelSocket {
 public:
  /** @throws EdgeError EDGE_HELD, naming the process that has it; EDGE_FAILED */
  explicit ChannelSocket(const std::string& path);
  ~ChannelSocket();
  ChannelSocket(const ChannelSocket&) = delete;
  ChannelSocket& operator=(const ChannelSocket&) = delete;

  int fd() const { return listening_.get(); }
  int lockFd() const { return lock_.get(); }
  /** From where control finds it: nobody new comes. */
  void hide();
  /** The next connection; not valid when there is none. */
  UniqueFd accept();
  /** Whether the other end is of this user, or root. */
  static bool isOurs(int connection);

 private:
  std::string path_;
  UniqueFd lock_;
  UniqueFd listening_;
};

}  // namespace tandem
