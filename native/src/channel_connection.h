#pragma once

#include <cstdint>
#include <vector>

#include "frame_splitter.h"
#include "unique_fd.h"

namespace tandem {

/** One end of a stream socket, that is never waited for. */
class ChannelConnection {
 public:
  /** `helloByNs`: monotonic; until then it must have said who it is. */
  ChannelConnection(UniqueFd fd, int64_t helloByNs) : fd_(std::move(fd)), helloByNs_(helloByNs) {}

  int fd() const { return fd_.get(); }
  int64_t helloByNs() const { return helloByNs_; }

  /** Reads what there is, up to a bound. False when the other side is gone. */
  bool receive();
  FrameSplitter& frames() { return frames_; }
  /** The other side says nothing more, whatever of what it said is still to be read. */
  bool isEnded() const;

  /** To append to. */
  std::vector<uint8_t>& out() { return out_; }
  size_t pending() const { return out_.size() - sent_; }
  /** Writes what the socket takes now. False when the other side is gone. */
  bool flush();

 private:
  UniqueFd fd_;
  int64_t helloByNs_;
  FrameSplitter frames_;
  std::vector<uint8_t> out_;
  size_t sent_ = 0;
};

}  // namespace tandem
