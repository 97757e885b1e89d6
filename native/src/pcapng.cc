#include "pcapng.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "bytes.h"
#include "error.h"

namespace tandem {

namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
/** Raw IPv4 or IPv6. */
constexpr uint16_t kLinkTypeRaw = 101;
constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionComment = 1;
constexpr uint16_t kOptionIfName = 2;
constexpr uint16_t kOptionUserApplication = 4;
constexpr uint16_t kOptionTimeResolution = 9;

/** Written early when a wake-up brings more than this. */
constexpr size_t kBufferBytes = 256 * 1024;

constexpr uint32_t kRestoredMax = 3;

constexpr size_t kUdpHeaderBytes = 8;
constexpr uint8_t kUdpProtocol = 17;
constexpr uint8_t kTtl = 64;

uint32_t sum16(const uint8_t* data, size_t size, uint32_t sum = 0) {
  for (; size > 1; data += 2, size -= 2) sum += read16(data);
  if (size == 1) sum += static_cast<uint32_t>(data[0] << 8);
  return sum;
}

uint16_t foldChecksum(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/** IP and UDP headers with right checksums; returns their size. */
size_t writeHeaders(uint8_t* out, const Address& from, const Address& to, const uint8_t* payload,
                    size_t size) {
  const bool v4 = from.isV4();
  const size_t ipBytes = v4 ? 20 : 40;
  const auto udpSize = static_cast<uint16_t>(kUdpHeaderBytes + size);
  memset(out, 0, ipBytes);
  if (v4) {
    out[0] = 0x45;
    write16(out + 2, static_cast<uint16_t>(ipBytes + udpSize));
    out[6] = 0x40;
    out[8] = kTtl;
    out[9] = kUdpProtocol;
    memcpy(out + 12, from.ipBytes(), 4);
    memcpy(out + 16, to.ipBytes(), 4);
    write16(out + 10, foldChecksum(sum16(out, ipBytes)));
  } else {
    out[0] = 0x60;
    write16(out + 4, udpSize);
    out[6] = kUdpProtocol;
    out[7] = kTtl;
    memcpy(out + 8, from.ipBytes(), 16);
    memcpy(out + 24, to.ipBytes(), 16);
  }
  uint8_t* udp = out + ipBytes;
  write16(udp, from.port());
  write16(udp + 2, to.port());
  write16(udp + 4, udpSize);
  write16(udp + 6, 0);
  uint32_t sum = sum16(from.ipBytes(), from.ipSize());
  sum = sum16(to.ipBytes(), to.ipSize(), sum);
  sum += kUdpProtocol + udpSize;
  sum = sum16(udp, kUdpHeaderBytes, sum);
  const uint16_t checksum = foldChecksum(sum16(payload, size, sum));
  write16(udp + 6, checksum == 0 ? 0xffff : checksum);
  return ipBytes + kUdpHeaderBytes;
}

UniqueFd create(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

/** Where `path` was, with its folder; invalid, with errno, when that cannot be. */
UniqueFd copyTo(const std::string& path, int from, uint64_t size) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  UniqueFd to = create(path);
  off_t at = 0;
  while (to.valid() && static_cast<uint64_t>(at) < size) {
    const ssize_t count = sendfile(to.get(), from, &at, size - static_cast<uint64_t>(at));
    if (count > 0 || (count < 0 && errno == EINTR)) continue;
    const int why = count < 0 ? errno : EIO;
    unlink(path.c_str());
    to.reset();
    errno = why;
  }
  return to;
}

}  // namespace

PcapngFile::PcapngFile(const std::string& path, const std::string& comment,
                       const std::vector<std::string>& interfaces)
    : path_(path), fd_(create(path)) {
  if (!fd_.valid()) failErrno("open " + path);
  buffer_.reserve(kBufferBytes + 70'000);
  beginBlock(kSectionHeader);
  put32(kByteOrderMagic);
  put16(1);
  put16(0);
  // Section length: not given.
  put32(0xffffffff);
  put32(0xffffffff);
  if (!comment.empty()) putOption(kOptionComment, comment.data(), comment.size());
  putOption(kOptionUserApplication, "tandem", 6);
  putOption(kOptionEnd, nullptr, 0);
  endBlock();
  for (const std::string& name : interfaces) {
    beginBlock(kInterfaceDescription);
    put16(kLinkTypeRaw);
    put16(0);
    put32(0);
    putOption(kOptionIfName, name.data(), name.size());
    const uint8_t nanoseconds = 9;
    putOption(kOptionTimeResolution, &nanoseconds, 1);
    putOption(kOptionEnd, nullptr, 0);
    endBlock();
  }
  const int error = flush();
  if (error == 0) return;
  unlink(path.c_str());
  failErrno("write " + path, error);
}

void PcapngFile::append(uint32_t interface, int64_t wallNs, const Address& from, const Address& to,
                        const uint8_t* payload, size_t size) {
  if (failed_ != 0) return;
  uint8_t headers[48];
  const size_t headerBytes = writeHeaders(headers, from, to, payload, size);
  const auto time = static_cast<uint64_t>(wallNs);
  beginBlock(kEnhancedPacket);
  put32(interface);
  put32(static_cast<uint32_t>(time >> 32));
  put32(static_cast<uint32_t>(time));
  put32(static_cast<uint32_t>(headerBytes + size));
  put32(static_cast<uint32_t>(headerBytes + size));
  buffer_.insert(buffer_.end(), headers, headers + headerBytes);
  buffer_.insert(buffer_.end(), payload, payload + size);
  pad();
  endBlock();
  if (buffer_.size() >= kBufferBytes) flush();
}

bool PcapngFile::restoreIfDeleted() {
  struct stat seen {};
  if (failed_ != 0 || fstat(fd_.get(), &seen) != 0 || seen.st_nlink > 0) return true;
  UniqueFd again;
  // Whoever goes on deleting it means it.
  errno = ENOENT;
  if (restored_ < kRestoredMax) again = copyTo(path_, fd_.get(), written_);
  if (again.valid()) {
    fd_ = std::move(again);
    ++restored_;
    return true;
  }
  failed_ = errno;
  return false;
}

int PcapngFile::flush() {
  size_t done = 0;
  while (failed_ == 0 && done < buffer_.size()) {
    const ssize_t count = write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      failed_ = errno;
    }
  }
  // Whole blocks count: each says its length after its type.
  size_t whole = 0;
  while (whole + 12 <= done) {
    uint32_t length;
    memcpy(&length, buffer_.data() + whole + 4, sizeof length);
    if (whole + length > done) break;
    whole += length;
  }
  written_ += whole;
  if (whole < done && ftruncate(fd_.get(), static_cast<off_t>(written_)) != 0) failed_ = errno;
  buffer_.clear();
  return failed_;
}

void PcapngFile::put16(uint16_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  buffer_.insert(buffer_.end(), bytes, bytes + sizeof value);
}

void PcapngFile::put32(uint32_t value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  buffer_.insert(buffer_.end(), bytes, bytes + sizeof value);
}

void PcapngFile::putOption(uint16_t code, const void* value, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(value);
  put16(code);
  put16(static_cast<uint16_t>(size));
  buffer_.insert(buffer_.end(), bytes, bytes + size);
  pad();
}

void PcapngFile::beginBlock(uint32_t type) {
  blockAt_ = buffer_.size();
  put32(type);
  put32(0);
}

void PcapngFile::endBlock() {
  const auto length = static_cast<uint32_t>(buffer_.size() - blockAt_ + 4);
  memcpy(buffer_.data() + blockAt_ + 4, &length, sizeof length);
  put32(length);
}

void PcapngFile::pad() {
  while ((buffer_.size() - blockAt_) % 4 != 0) buffer_.push_back(0);
}

}  // namespace tandem
