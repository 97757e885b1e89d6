#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "wire_reader.h"

namespace tandem {

/** Bytes of a stream, in frames. What it holds is bounded by one frame and what was pushed with its
 * end. */
class FrameSplitter {
 public:
  void push(std::span<const uint8_t> bytes) {
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
    held_.insert(held_.end(), bytes.begin(), bytes.end());
  }

  /**
   * The next frame without its length; good until the next push. Absent until more has come.
   * @throws WireError for one that is larger than `bytesMax`, or too small to be one
   */
  std::optional<std::span<const uint8_t>> next(size_t bytesMax) {
    const size_t left = held_.size() - taken_;
    uint32_t length = 0;
    if (left < sizeof length) return std::nullopt;
    memcpy(&length, &held_[taken_], sizeof length);
    if (length > bytesMax) throw WireError("a frame is too large");
    if (length == 0) throw WireError("a frame is empty");
    if (left - sizeof length < length) return std::nullopt;
    const std::span<const uint8_t> frame(&held_[taken_ + sizeof length], length);
    taken_ += sizeof length + length;
    return frame;
  }

 private:
  std::vector<uint8_t> held_;
  size_t taken_ = 0;
};

}  // namespace tandem
