#pragma once

#include <cstring>
#include <stdexcept>
#include <string>

#include "address.h"
#include "error.h"
#include "wire.h"

namespace tandem {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

/** Bytes that are no command. Whoever sent them is not spoken to any more. */
class WireError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** Reads the fields of one frame, and nothing behind it. */
class WireReader {
 public:
  WireReader(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  uint8_t u8() { return read<uint8_t>(); }
  uint16_t u16() { return read<uint16_t>(); }
  uint32_t u32() { return read<uint32_t>(); }
  double f64() { return read<double>(); }

  bool flag() {
    const uint8_t value = u8();
    if (value > 1) throw WireError("a flag is neither 0 nor 1");
    return value == 1;
  }

  /** One of an enumeration that ends with `last`. */
  template <typename Enum>
  Enum choice(Enum last) {
    const uint8_t value = u8();
    if (value > static_cast<uint8_t>(last)) throw WireError("a choice that there is not");
    return static_cast<Enum>(value);
  }

  std::string text() {
    const size_t size = u16();
    need(size);
    std::string text(reinterpret_cast<const char*>(at_), size);
    skip(size);
    return text;
  }

  /** `field` is named where it is none. */
  Address address(const char* field) {
    const std::string ip = text();
    const uint16_t port = u16();
    const auto address = Address::parse(ip, port);
    if (!address) fail(std::string(field) + " is not an IP address");
    return *address;
  }

  void end() const {
    if (left_ != 0) throw WireError("a command is longer than its fields");
  }

 private:
  template <typename T>
  T read() {
    need(sizeof(T));
    T value;
    memcpy(&value, at_, sizeof value);
    skip(sizeof value);
    return value;
  }
  void need(size_t size) const {
    if (size > left_) throw WireError("a command is shorter than its fields");
  }
  void skip(size_t size) {
    at_ += size;
    left_ -= size;
  }

  const uint8_t* at_;
  size_t left_;
};

}  // namespace tandem
