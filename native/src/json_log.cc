#include "json_log.h"

#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "clock.h"

namespace tandem {

namespace {

// Levels of pino.
constexpr int kInfo = 30;
constexpr int kWarning = 40;

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      result += escaped;
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + '"';
}

void write(int level, std::string_view message, JsonFields fields) {
  std::string line = "{\"level\":" + std::to_string(level) +
                     ",\"time\":" + std::to_string(wallNs() / kNsPerMs) +
                     ",\"pid\":" + std::to_string(getpid()) + ",\"module\":\"edge\"";
  for (const JsonField& field : fields) line += "," + field.text;
  line += ",\"msg\":" + quoted(message) + "}\n";
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) return;
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace

JsonField::JsonField(std::string_view key, std::string_view value)
    : text(quoted(key) + ":" + quoted(value)) {}
JsonField::JsonField(std::string_view key, uint64_t value)
    : text(quoted(key) + ":" + std::to_string(value)) {}

std::string toJson(JsonFields fields) {
  std::string object = "{";
  for (const JsonField& field : fields) {
    if (object.size() > 1) object += ",";
    object += field.text;
  }
  return object + "}";
}

void logInfo(std::string_view message, JsonFields fields) { write(kInfo, message, fields); }
void logWarning(std::string_view message, JsonFields fields) { write(kWarning, message, fields); }

}  // namespace tandem
