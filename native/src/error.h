#pragma once

#include <string.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace tandem {

/** A failure that JavaScript sees: `code` is one of its error codes. Never leaves the thread that
 * it was thrown on. */
class EdgeError : public std::runtime_error {
 public:
  EdgeError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

[[noreturn]] inline void fail(const std::string& message) {
  throw EdgeError("EDGE_FAILED", message);
}

[[noreturn]] inline void failErrno(const std::string& what, int error = errno) {
  throw EdgeError("EDGE_FAILED", what + ": " + strerrorname_np(error) + ", " + strerror(error));
}

}  // namespace tandem
