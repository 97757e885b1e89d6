#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace tandem {

/** An IPv4 or IPv6 socket address, laid out as the kernel wants it. */
class Address {
 public:
  Address() { memset(&storage_, 0, sizeof storage_); }

  /** Numeric addresses only, with an optional IPv6 scope (`fe80::1%eth0`). */
  static std::optional<Address> parse(const std::string& ip, uint16_t port);

  int family() const { return storage_.any.sa_family; }
  bool isSet() const { return family() != AF_UNSPEC; }
  bool isV4() const { return family() == AF_INET; }
  uint16_t port() const { return ntohs(isV4() ? storage_.v4.sin_port : storage_.v6.sin6_port); }
  void setPort(uint16_t port) {
    (isV4() ? storage_.v4.sin_port : storage_.v6.sin6_port) = htons(port);
  }
  std::string ip() const;

  sockaddr* raw() { return &storage_.any; }
  const sockaddr* raw() const { return &storage_.any; }
  socklen_t length() const { return isV4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }
  static constexpr socklen_t capacity() { return sizeof(sockaddr_in6); }
  /** The bytes of the IP address alone: 4 or 16. */
  const uint8_t* ipBytes() const;
  size_t ipSize() const { return isV4() ? 4 : 16; }

  bool sameIp(const Address& other) const {
    return family() == other.family() && memcmp(ipBytes(), other.ipBytes(), ipSize()) == 0;
  }
  bool operator==(const Address& other) const {
    if (family() != other.family()) return false;
    return !isSet() || (port() == other.port() && sameIp(other));
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

struct AddressHash {
  size_t operator()(const Address& address) const {
    // FNV-1a over IP and port.
    uint64_t hash = 1469598103934665603ULL;
    const uint8_t* bytes = address.ipBytes();
    for (size_t i = 0; i < address.ipSize(); ++i) hash = (hash ^ bytes[i]) * 1099511628211ULL;
    hash = (hash ^ address.port()) * 1099511628211ULL;
    return hash ^ (hash >> 32);
  }
};

}  // namespace tandem
