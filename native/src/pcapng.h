#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "address.h"
#include "unique_fd.h"

namespace tandem {

/**
 * A pcapng file (draft-ietf-opsawg-pcapng) of UDP datagrams with synthesised IP headers, times in
 * nanoseconds. Blocks are gathered and written whole, once a wake-up; after an error the file ends
 * with the last whole block.
 */
class PcapngFile {
 public:
  /** Creates the file, which must not exist, and writes its headers: one interface for each name.
   * Throws EdgeError. */
  PcapngFile(const std::string& path, const std::string& comment,
             const std::vector<std::string>& interfaces);

  void append(uint32_t interface, int64_t wallNs, const Address& from, const Address& to,
              const uint8_t* payload, size_t size);
  /** Returns 0, or the errno that ended the writing, once and for all. */
  int flush();

  /** For a file that was deleted while it is written: makes it again, with all that it held, at
   * most a few times. False if that fails, which ends the writing. */
  bool restoreIfDeleted();

  uint64_t bytes() const { return written_; }
  int failed() const { return failed_; }
  uint32_t restored() const { return restored_; }

 private:
  void put16(uint16_t value);
  void put32(uint32_t value);
  void putOption(uint16_t code, const void* value, size_t size);
  void beginBlock(uint32_t type);
  void endBlock();
  void pad();

  std::string path_;
  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
  size_t blockAt_ = 0;
  uint64_t written_ = 0;
  int failed_ = 0;
  uint32_t restored_ = 0;
};

}  // namespace tandem
