#include "program_options.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "error.h"

namespace tandem {

namespace {

constexpr double kHangMs = 500;
/** A few beats: whoever has just missed one does not hang. */
constexpr double kHangMsMin = 3 * kBeatMs;

/** Of `--name value`, each option once but for those that make a list. */
class Arguments {
 public:
  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      const std::string_view name = argv[i];
      if (!name.starts_with("--")) fail(std::string(name) + " is not an option");
      if (i + 1 == argc) fail(std::string(name) + " has no value");
      values_.emplace(name.substr(2), argv[i + 1]);
    }
  }

  std::vector<std::string> takeAll(const std::string& name) {
    const auto [begin, end] = values_.equal_range(name);
    std::vector<std::string> all;
    for (auto at = begin; at != end; ++at) all.push_back(at->second);
    values_.erase(begin, end);
    return all;
  }

  std::optional<std::string> take(const std::string& name) {
    std::vector<std::string> all = takeAll(name);
    if (all.size() > 1) fail("--" + name + " is given twice");
    if (all.empty()) return std::nullopt;
    return std::move(all[0]);
  }

  std::string takeText(const std::string& name) {
    const auto value = take(name);
    if (!value) fail("--" + name + " is missing");
    return *value;
  }

  std::optional<double> takeNumberIfAny(const std::string& name, double min, double max) {
    const auto text = take(name);
    if (!text) return std::nullopt;
    char* end = nullptr;
    const double value = strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0' || !(value >= min && value <= max)) {
      char bounds[64];
      snprintf(bounds, sizeof bounds, "%g..%g", min, max);
      fail("--" + name + " is not a number within " + bounds + ": " + *text);
    }
    return value;
  }

  double takeNumber(const std::string& name, double min, double max) {
    const auto value = takeNumberIfAny(name, min, max);
    if (!value) fail("--" + name + " is missing");
    return *value;
  }

  void end() const {
    if (!values_.empty()) fail("there is no option --" + values_.begin()->first);
  }

 private:
  std::multimap<std::string, std::string> values_;
};

int64_t toNs(double ms) { return static_cast<int64_t>(ms * static_cast<double>(kNsPerMs)); }

EdgeOptions takeEdgeOptions(Arguments& arguments) {
  EdgeOptions options;
  options.threads = static_cast<uint32_t>(arguments.takeNumber("threads", 1, kThreadsMax));
  for (const std::string& host : arguments.takeAll("leg-host")) {
    const auto address = Address::parse(host, 0);
    if (!address) fail("--leg-host is not an IP address: " + host);
    options.legHosts.push_back(*address);
  }
  options.portMin = static_cast<uint16_t>(arguments.takeNumber("port-min", 1, UINT16_MAX));
  options.portMax =
      static_cast<uint16_t>(arguments.takeNumber("port-max", options.portMin, UINT16_MAX));
  options.ring.keepNs = static_cast<int64_t>(arguments.takeNumber("ring-seconds", 0.001, 3600) *
                                             static_cast<double>(kNsPerSecond));
  options.ring.bytes = static_cast<size_t>(arguments.takeNumber("ring-bytes", 0, 1 << 30));
  options.catchUpRate = arguments.takeNumber("catch-up-rate", 1, 1000);
  options.rtcpIntervalNs = toNs(arguments.takeNumber("rtcp-interval-ms", 1, 3.6e6));
  options.cname = arguments.takeText("cname");
  if (options.cname.size() > 255) fail("--cname is longer than 255 bytes");
  options.memoryFile = arguments.takeText("memory");
  return options;
}

}  // namespace

ProgramOptions readProgramOptions(int argc, char** argv) {
  Arguments arguments(argc, argv);
  ProgramOptions options;
  options.edge = takeEdgeOptions(arguments);
  options.socket = arguments.takeText("socket");
  options.orphanNs = toNs(arguments.takeNumber("orphan-ms", 1, 8.64e7));
  options.hangNs = toNs(arguments.takeNumberIfAny("hang-ms", kHangMsMin, 60'000).value_or(kHangMs));
  const auto niceness = arguments.takeNumberIfAny("nice", -20, 19);
  if (niceness) options.niceness = static_cast<int>(*niceness);
  const auto offsetMs = arguments.takeNumberIfAny("clock-offset-ms", -1e13, 1e13);
  if (offsetMs) options.clockOffsetNs = toNs(*offsetMs);
  if (const auto host = arguments.take("fatal-host")) options.fatalHost = Address::parse(*host, 0);
  if (const auto host = arguments.take("hang-host")) options.hangHost = Address::parse(*host, 0);
  arguments.end();
  return options;
}

}  // namespace tandem
