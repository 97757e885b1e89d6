#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "address.h"
#include "clock.h"
#include "wire.h"

namespace tandem {

/** Appends frames to a buffer. */
class WireWriter {
 public:
  explicit WireWriter(std::vector<uint8_t>& out) : out_(out) {}

  void begin(WireReply reply) {
    began_ = out_.size();
    u32(0);
    u8(static_cast<uint8_t>(reply));
  }
  /** Frame and all, as if it had not been begun. */
  void drop() { out_.resize(began_); }
  void end() {
    const auto behind = static_cast<uint32_t>(size() - sizeof(uint32_t));
    memcpy(&out_[began_], &behind, sizeof behind);
  }
  /** Of the frame so far. */
  size_t size() const { return out_.size() - began_; }

  void u8(uint8_t value) { write(value); }
  void u16(uint16_t value) { write(value); }
  void u32(uint32_t value) { write(value); }
  void f64(double value) { write(value); }
  void flag(bool value) { u8(value ? 1 : 0); }
  /** Exact up to 2^53. */
  void count(uint64_t value) { f64(static_cast<double>(value)); }
  void time(int64_t ns) { f64(static_cast<double>(ns) / static_cast<double>(kNsPerMs)); }
  void length(size_t size) { u32(static_cast<uint32_t>(size)); }

  void text(std::string_view text) {
    const auto size = static_cast<uint16_t>(std::min<size_t>(text.size(), UINT16_MAX));
    u16(size);
    out_.insert(out_.end(), text.begin(), text.begin() + size);
  }
  void address(const Address& address) {
    text(address.ip());
    u16(address.isSet() ? address.port() : 0);
  }

 private:
  template <typename T>
  void write(T value) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    out_.insert(out_.end(), bytes, bytes + sizeof value);
  }

  std::vector<uint8_t>& out_;
  size_t began_ = 0;
};

}  // namespace tandem
