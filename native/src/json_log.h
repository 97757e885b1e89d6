#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace tandem {

/** A field of a line of the log, or of what is said at the start. */
struct JsonField {
  JsonField(std::string_view key, std::string_view value);
  JsonField(std::string_view key, const char* value) : JsonField(key, std::string_view(value)) {}
  JsonField(std::string_view key, uint64_t value);

  /** `"key":value` */
  std::string text;
};

using JsonFields = std::initializer_list<JsonField>;

/** `{...}` without the closing brace's line end. */
std::string toJson(JsonFields fields);

/** One JSON object a line on standard error, as the other processes write them. A line that cannot
 * be written at once is dropped: nothing waits for whoever reads it. */
void logInfo(std::string_view message, JsonFields fields = {});
void logWarning(std::string_view message, JsonFields fields = {});

}  // namespace tandem
