#include "js_read.h"

#include <cmath>

#include "error.h"

namespace tandem {

namespace {

double readNumber(const Napi::Value& value, const char* field) {
  if (!value.IsNumber()) fail(std::string(field) + " is not a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(number)) fail(std::string(field) + " is not finite");
  return number;
}

double readWithin(const Napi::Value& value, double min, double max, const char* field) {
  const double number = readNumber(value, field);
  if (number < min || number > max) fail(std::string(field) + " is out of range");
  return number;
}

uint16_t readPort(const Napi::Value& value, const char* field) {
  return static_cast<uint16_t>(readWithin(value, 0, 65535, field));
}

bool readBoolean(const Napi::Value& value, const char* field) {
  if (!value.IsBoolean()) fail(std::string(field) + " is not a boolean");
  return value.As<Napi::Boolean>().Value();
}

Napi::Array readArray(const Napi::Value& value, const char* field) {
  if (!value.IsArray()) fail(std::string(field) + " is not an array");
  return value.As<Napi::Array>();
}

ClockRates readClockRates(const Napi::Value& value) {
  ClockRates rates;
  const Napi::Object object = readObject(value, "clockRates");
  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const Napi::Value key = keys.Get(i);
    const double payloadType = key.ToNumber().DoubleValue();
    if (!(payloadType >= 0 && payloadType <= 127))
      fail("clockRates has a payload type that is not within 0..127");
    rates.set(static_cast<uint8_t>(payloadType),
              static_cast<uint32_t>(readWithin(object.Get(key), 1, 1'000'000, "clockRates")));
  }
  return rates;
}

ForkStart readForkStart(const Napi::Value& value) {
  const Napi::Object object = readObject(value, "from");
  const std::string kind = readString(object.Get("kind"), "from.kind");
  if (kind == "live") return {StartKind::kLive};
  if (kind == "oldest") return {StartKind::kOldest};
  if (kind == "sequence") {
    return {StartKind::kSequence,
            static_cast<uint64_t>(readWithin(object.Get("sequence"), 0, 9e15, "from.sequence"))};
  }
  fail("from.kind is not live, oldest or sequence");
}

Napi::Array readList(const Napi::Value& value, const char* field) {
  Napi::Array list = readArray(value, field);
  if (list.Length() > kIdsPerListMax) fail(std::string(field) + " has too many entries");
  return list;
}

std::vector<KeptOut> readKeptOut(const Napi::Value& value) {
  std::vector<KeptOut> ranges;
  if (value.IsUndefined()) return ranges;
  const Napi::Array list = readArray(value, "keptOut");
  if (list.Length() > kKeptOutMax) fail("keptOut has too many ranges");
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object range = readObject(list.Get(i), "keptOut");
    ranges.push_back({readSequence(range.Get("first"), "keptOut.first"),
                      readSequence(range.Get("last"), "keptOut.last")});
  }
  return ranges;
}

std::bitset<128> readPayloadTypes(const Napi::Value& value) {
  std::bitset<128> types;
  if (value.IsUndefined()) return types;
  const Napi::Array list = readArray(value, "payloadTypes");
  for (uint32_t i = 0; i < list.Length(); ++i)
    types.set(static_cast<size_t>(readWithin(list.Get(i), 0, 127, "payloadTypes")));
  return types;
}

AddForkOptions readAddFork(const Napi::Value& value) {
  const Napi::Object object = readObject(value, "forks");
  return {readUint32(object.Get("portId"), "portId"),
          readUint32(object.Get("streamIndex"), "streamIndex"),
          readSocketAddress(object.Get("rtp"), "rtp"),
          readSocketAddress(object.Get("rtcp"), "rtcp"),
          readForkStart(object.Get("from")),
          readBoolean(object.Get("paused"), "paused")
              ? std::optional(readSequence(object.Get("pausedFrom"), "pausedFrom"))
              : std::nullopt,
          readKeptOut(object.Get("keptOut"))};
}

}  // namespace

int64_t readSignedMs(const Napi::Value& value, const char* field) {
  return static_cast<int64_t>(readWithin(value, -1e13, 1e13, field) * kNsPerMs);
}

int64_t readTime(const Napi::Value& value, const char* field) {
  return toTimeNs(readWithin(value, 0, 1e13, field));
}

uint64_t readSequence(const Napi::Value& value, const char* field) {
  if (value.IsUndefined()) return 0;
  return static_cast<uint64_t>(readWithin(value, 0, 9e15, field));
}

std::vector<UniqueFd> takeDescriptors(const Napi::Value& value, const char* field) {
  constexpr double kDescriptorMax = 1 << 20;
  const Napi::Array list = readArray(value, field);
  std::vector<UniqueFd> descriptors;
  for (uint32_t i = 0; i < list.Length(); ++i)
    descriptors.emplace_back(static_cast<int>(readWithin(list.Get(i), 0, kDescriptorMax, field)));
  return descriptors;
}

Napi::Object readObject(const Napi::Value& value, const char* field) {
  if (!value.IsObject()) fail(std::string(field) + " is not an object");
  return value.As<Napi::Object>();
}

std::string readString(const Napi::Value& value, const char* field) {
  if (!value.IsString()) fail(std::string(field) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

uint32_t readUint32(const Napi::Value& value, const char* field) {
  return static_cast<uint32_t>(readWithin(value, 0, UINT32_MAX, field));
}

int readNiceness(const Napi::Value& value) {
  return static_cast<int>(readWithin(value, -20, 19, "niceness"));
}

Address readSocketAddress(const Napi::Value& value, const char* field) {
  const Napi::Object object = readObject(value, field);
  const std::string ip = readString(object.Get("ip"), field);
  const auto address = Address::parse(ip, readPort(object.Get("port"), field));
  if (!address) fail(std::string(field) + " is not an IP address: " + ip);
  return *address;
}

Address readHost(const Napi::Value& value, const char* field) {
  const std::string ip = readString(value, field);
  const auto address = Address::parse(ip, 0);
  if (!address) fail(std::string(field) + " is not an IP address: " + ip);
  return *address;
}

LatchPolicy readLatch(const Napi::Value& value) {
  const std::string latch = readString(value, "latch");
  if (latch == "announced") return LatchPolicy::kAnnounced;
  if (latch == "any") return LatchPolicy::kAny;
  fail("latch is not announced or any");
}

EdgeOptions readEdgeOptions(const Napi::Value& value) {
  const Napi::Object object = readObject(value, "options");
  EdgeOptions options;
  options.threads = readUint32(object.Get("threads"), "threads");
  const Napi::Array hosts = readArray(object.Get("legHosts"), "legHosts");
  for (uint32_t i = 0; i < hosts.Length(); ++i)
    options.legHosts.push_back(readHost(hosts.Get(i), "legHosts"));
  const Napi::Object ports = readObject(object.Get("ports"), "ports");
  options.portMin = readPort(ports.Get("min"), "ports.min");
  options.portMax = readPort(ports.Get("max"), "ports.max");
  if (options.portMin == 0 || options.portMin > options.portMax) fail("ports is not a range");
  const Napi::Object ring = readObject(object.Get("ring"), "ring");
  options.ring.keepNs = static_cast<int64_t>(
      readWithin(ring.Get("seconds"), 0.001, 3600, "ring.seconds") * kNsPerSecond);
  options.ring.bytes = static_cast<size_t>(readWithin(ring.Get("bytes"), 0, 1 << 30, "ring.bytes"));
  options.catchUpRate = readWithin(object.Get("catchUpRate"), 1, 1000, "catchUpRate");
  options.rtcpIntervalNs = static_cast<int64_t>(
      readWithin(object.Get("rtcpIntervalMs"), 1, 3.6e6, "rtcpIntervalMs") * kNsPerMs);
  options.cname = readString(object.Get("cname"), "cname");
  const Napi::Value memoryFile = object.Get("memoryFile");
  if (!memoryFile.IsUndefined()) options.memoryFile = readString(memoryFile, "memoryFile");
  return options;
}

PortRemote readPortRemote(const Napi::Value& value) {
  const Napi::Object object = readObject(value, "remote");
  return {readSocketAddress(object.Get("rtp"), "remote.rtp"),
          readSocketAddress(object.Get("rtcp"), "remote.rtcp"),
          readBoolean(object.Get("send"), "remote.send"), readClockRates(object.Get("clockRates"))};
}

std::vector<PortRoute> readPortRoutes(const Napi::Value& value) {
  const Napi::Array list = readList(value, "routes");
  std::vector<PortRoute> routes;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Object item = readObject(list.Get(i), "routes");
    const Napi::Object object = readObject(item.Get("route"), "route");
    PortRoute route;
    route.portId = readUint32(item.Get("portId"), "portId");
    const std::string kind = readString(object.Get("kind"), "route.kind");
    if (kind == "direct") {
      route.kind = PortRoute::Kind::kDirect;
    } else if (kind == "relay") {
      route.kind = PortRoute::Kind::kRelay;
    } else if (kind == "bypass") {
      route.kind = PortRoute::Kind::kBypass;
    } else if (kind != "none") {
      fail("route.kind is not none, direct, relay or bypass");
    }
    const Napi::Value peer = object.Get("peerPortId");
    if (route.kind != PortRoute::Kind::kNone &&
        !(route.kind == PortRoute::Kind::kRelay && peer.IsUndefined()))
      route.peerPortId = readUint32(peer, "route.peerPortId");
    if (route.kind == PortRoute::Kind::kRelay) {
      route.to = readSocketAddress(object.Get("to"), "route.to");
      route.payloadTypes = readPayloadTypes(object.Get("payloadTypes"));
    }
    routes.push_back(route);
  }
  return routes;
}

std::vector<uint32_t> readIds(const Napi::Value& value) {
  const Napi::Array list = readList(value, "ids");
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < list.Length(); ++i) ids.push_back(readUint32(list.Get(i), "ids"));
  return ids;
}

std::vector<AddForkOptions> readAddForks(const Napi::Value& value) {
  const Napi::Array list = readList(value, "forks");
  std::vector<AddForkOptions> all;
  for (uint32_t i = 0; i < list.Length(); ++i) all.push_back(readAddFork(list.Get(i)));
  return all;
}

CaptureRemote readCaptureRemote(const Napi::Value& value) {
  const Napi::Object remote = readObject(value, "remote");
  const Napi::Value reportRanges = remote.Get("reportRanges");
  return {readSocketAddress(remote.Get("rtp"), "remote.rtp"),
          readSocketAddress(remote.Get("rtcp"), "remote.rtcp"),
          !reportRanges.IsUndefined() && readBoolean(reportRanges, "remote.reportRanges")};
}

OpenCaptureOptions readOpenCapture(const Napi::Value& value) {
  const Napi::Object object = readObject(value, "capture");
  OpenCaptureOptions options{readString(object.Get("file"), "file"),
                             readHost(object.Get("host"), "host"),
                             readLatch(object.Get("latch")),
                             readString(object.Get("comment"), "comment"),
                             {}};
  if (options.comment.size() > UINT16_MAX) fail("comment is too long");
  const Napi::Array streams = readArray(object.Get("streams"), "streams");
  for (uint32_t i = 0; i < streams.Length(); ++i) {
    const Napi::Object stream = readObject(streams.Get(i), "streams");
    CaptureStreamOptions read{readCaptureRemote(stream.Get("remote")),
                              readString(stream.Get("label"), "streams.label"),
                              readClockRates(stream.Get("clockRates"))};
    if (read.label.size() > UINT16_MAX) fail("streams.label is too long");
    options.streams.push_back(std::move(read));
  }
  return options;
}

}  // namespace tandem
