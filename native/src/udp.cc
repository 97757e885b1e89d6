#include "udp.h"

#include <linux/sock_diag.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "error.h"

namespace tandem {

namespace {

void setOption(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof value) != 0) failErrno(what);
}

}  // namespace

UdpSocket bindUdp(Address local, const UdpOptions& options) {
  UniqueFd fd(socket(local.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) failErrno("socket");
  const bool v4 = local.isV4();
  if (!v4) setOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
  setOption(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS");
  setOption(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, 1, "SO_RXQ_OVFL");
  setOption(fd.get(), SOL_SOCKET, SO_RCVBUF, options.receiveBufferBytes, "SO_RCVBUF");
  if (options.sendBufferBytes != 0)
    setOption(fd.get(), SOL_SOCKET, SO_SNDBUF, options.sendBufferBytes, "SO_SNDBUF");
  if (options.reportErrors) {
    setOption(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1,
              "IP_RECVERR");
  }
  if (bind(fd.get(), local.raw(), local.length()) != 0) {
    if (errno == EADDRINUSE) return {};
    failErrno("bind " + local.ip() + " port " + std::to_string(local.port()));
  }
  socklen_t length = Address::capacity();
  if (getsockname(fd.get(), local.raw(), &length) != 0) failErrno("getsockname");
  return {std::move(fd), local};
}

uint32_t dropsOf(int fd) {
  uint32_t info[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof info;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) != 0) failErrno("SO_MEMINFO");
  return info[SK_MEMINFO_DROPS];
}

PortRange::PortRange(uint16_t min, uint16_t max) : first_(static_cast<uint16_t>(min + (min & 1))) {
  const int pairs = (static_cast<int>(max) - static_cast<int>(first_) + 1) / 2;
  used_.resize(pairs > 0 ? static_cast<size_t>(pairs) : 0);
}

UdpPair PortRange::open(const Address& host, const UdpOptions& options) {
  for (size_t tried = 0; tried < used_.size(); ++tried) {
    const size_t pair = next_;
    next_ = (next_ + 1) % used_.size();
    if (used_[pair]) continue;
    Address local = host;
    local.setPort(static_cast<uint16_t>(first_ + 2 * pair));
    UdpSocket rtp = bindUdp(local, options);
    if (!rtp.fd.valid()) continue;
    local.setPort(static_cast<uint16_t>(first_ + 2 * pair + 1));
    UdpSocket rtcp = bindUdp(local, options);
    if (!rtcp.fd.valid()) continue;
    used_[pair] = true;
    return {std::move(rtp), std::move(rtcp)};
  }
  throw EdgeError("NO_PORT", "no free pair of ports at " + host.ip());
}

UdpPair PortRange::openAnywhere(const Address& host, const UdpOptions& options) {
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) failErrno("getrandom");
  const size_t rotation = next_;
  if (!used_.empty()) next_ = random % used_.size();
  UdpPair pair = open(host, options);
  next_ = rotation;
  return pair;
}

void PortRange::claim(uint16_t rtpPort) {
  const size_t pair = static_cast<size_t>(rtpPort - first_) / 2;
  if (rtpPort >= first_ && pair < used_.size()) used_[pair] = true;
}

void PortRange::release(uint16_t rtpPort) {
  used_[static_cast<size_t>(rtpPort - first_) / 2] = false;
}

}  // namespace tandem
