#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>

namespace tandem {

std::optional<Address> Address::parse(const std::string& ip, uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(ip.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  Address address;
  const bool fits = found->ai_addrlen <= capacity() &&
                    (found->ai_family == AF_INET || found->ai_family == AF_INET6);
  if (fits) memcpy(&address.storage_, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (!fits) return std::nullopt;
  address.setPort(port);
  return address;
}

std::string Address::ip() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (!isSet()) return text;
  inet_ntop(family(), ipBytes(), text, sizeof text);
  std::string result = text;
  if (!isV4() && storage_.v6.sin6_scope_id != 0) {
    char name[IF_NAMESIZE];
    if (if_indextoname(storage_.v6.sin6_scope_id, name) != nullptr)
      result += std::string("%") + name;
  }
  return result;
}

const uint8_t* Address::ipBytes() const {
  return isV4() ? reinterpret_cast<const uint8_t*>(&storage_.v4.sin_addr)
                : reinterpret_cast<const uint8_t*>(&storage_.v6.sin6_addr);
}

}  // namespace tandem
