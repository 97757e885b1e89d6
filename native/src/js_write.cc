#include "js_write.h"

#include <string.h>

namespace tandem {

namespace {

double toMs(int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerMs); }

/** Four numbers a range, which edge.ts makes objects of: there may be 65,536, and each object that
 * is made from here costs a microsecond of the only JavaScript thread. */
Napi::Value toJs(Napi::Env env, const std::vector<Range>& ranges) {
  Napi::Float64Array numbers = Napi::Float64Array::New(env, ranges.size() * 4);
  double* out = numbers.Data();
  for (const Range& range : ranges) {
    *out++ = static_cast<double>(range.first);
    *out++ = static_cast<double>(range.last);
    *out++ = toMs(range.firstAtNs);
    *out++ = toMs(range.lastAtNs);
  }
  return numbers;
}

Napi::Value toJs(Napi::Env env, const RefusalCounts& counts) {
  Napi::Object object = Napi::Object::New(env);
  for (size_t i = 1; i < counts.byReason.size(); ++i) {
    if (counts.byReason[i] > 0)
      object.Set(kRefusalNames[i], static_cast<double>(counts.byReason[i]));
  }
  return object;
}

Napi::Value toJs(Napi::Env env, const UnforwardedCounts& counts) {
  Napi::Object object = Napi::Object::New(env);
  for (size_t i = 1; i < counts.byReason.size(); ++i) {
    if (counts.byReason[i] > 0)
      object.Set(kUnforwardedNames[i], static_cast<double>(counts.byReason[i]));
  }
  return object;
}

void set(Napi::Object& object, const char* name, uint64_t value) {
  object.Set(name, static_cast<double>(value));
}

const char* nameOf(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "EUNKNOWN" : name;
}

Napi::Value toJs(Napi::Env env, const ForkReport& report) {
  static constexpr const char* kStates[] = {"catching-up", "live", "paused", "ended"};
  Napi::Object object = Napi::Object::New(env);
  set(object, "forkId", report.forkId);
  object.Set("state", kStates[static_cast<size_t>(report.state)]);
  set(object, "sentPackets", report.sentPackets);
  set(object, "sentBytes", report.sentBytes);
  set(object, "sendErrors", report.sendErrors);
  object.Set("sent", toJs(env, report.sent));
  object.Set("replayed", toJs(env, report.replayed));
  object.Set("overrun", toJs(env, report.overrun));
  object.Set("withheld", toJs(env, report.withheld));
  if (report.refused) {
    Napi::Object refused = Napi::Object::New(env);
    refused.Set("at", toMs(report.refused->atNs));
    set(refused, "sequence", report.refused->extended);
    set(refused, "count", report.refused->count);
    object.Set("refused", refused);
  }
  if (report.unsendable) {
    Napi::Object unsendable = Napi::Object::New(env);
    unsendable.Set("at", toMs(report.unsendable->atNs));
    set(unsendable, "sequence", report.unsendable->extended);
    set(unsendable, "count", report.unsendable->count);
    unsendable.Set("errno", nameOf(report.unsendable->error));
    object.Set("unsendable", unsendable);
  }
  if (report.receiverReport) {
    Napi::Object received = Napi::Object::New(env);
    received.Set("at", toMs(report.receiverReport->atNs));
    set(received, "highestSequence", report.receiverReport->highest);
    received.Set("fractionLost", report.receiverReport->fractionLost);
    received.Set("jitterMs", report.receiverReport->jitterMs);
    if (report.receiverReport->roundTripMs)
      received.Set("roundTripMs", *report.receiverReport->roundTripMs);
    if (report.receiverReport->isFinal) received.Set("final", true);
    object.Set("receiverReport", received);
  }
  set(object, "receiverReports", report.receiverReports);
  object.Set("reportsRanges", report.reportsRanges);
  object.Set("confirmed", toJs(env, report.confirmed));
  object.Set("denied", toJs(env, report.denied));
  Napi::Object lost = Napi::Object::New(env);
  set(lost, "atLeast", report.lostAtLeast);
  set(lost, "atMost", report.lostAtMost);
  object.Set("reportedLost", lost);
  return object;
}

template <typename Item>
Napi::Value listToJs(Napi::Env env, const std::vector<Item>& items) {
  Napi::Array list = Napi::Array::New(env, items.size());
  for (uint32_t i = 0; i < items.size(); ++i) list.Set(i, toJs(env, items[i]));
  return list;
}

}  // namespace

Napi::Value toJs(Napi::Env env, const Address& address) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ip", address.ip());
  object.Set("port", static_cast<double>(address.port()));
  return object;
}

Napi::Value toJs(Napi::Env env, const std::pair<Address, Address>& pair) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("rtp", toJs(env, pair.first));
  object.Set("rtcp", toJs(env, pair.second));
  return object;
}

Napi::Value toJs(Napi::Env env, const OpenedPort& port) {
  Napi::Object object = Napi::Object::New(env);
  set(object, "portId", port.portId);
  object.Set("rtp", toJs(env, port.rtp));
  object.Set("rtcp", toJs(env, port.rtcp));
  set(object, "ssrc", port.ssrc);
  return object;
}

Napi::Value toJs(Napi::Env env, const StreamReport& report) {
  Napi::Object object = Napi::Object::New(env);
  set(object, "ssrc", report.ssrc);
  if (report.sourceSsrc) set(object, "sourceSsrc", *report.sourceSsrc);
  if (report.latched) object.Set("latched", toJs(env, *report.latched));
  set(object, "packets", report.packets);
  set(object, "bytes", report.bytes);
  set(object, "duplicates", report.duplicates);
  set(object, "reordered", report.reordered);
  object.Set("refused", toJs(env, report.refused));
  object.Set("unforwarded", toJs(env, report.unforwarded));
  set(object, "kernelDrops", report.kernelDrops);
  object.Set("received", toJs(env, report.received));
  set(object, "rangesJoined", report.rangesJoined);
  if (report.exactFrom) set(object, "exactFrom", *report.exactFrom);
  object.Set("dropped", toJs(env, report.dropped));
  Napi::Array changes = Napi::Array::New(env, report.ssrcChanges.size());
  for (uint32_t i = 0; i < report.ssrcChanges.size(); ++i) {
    const SsrcChange& change = report.ssrcChanges[i];
    Napi::Object item = Napi::Object::New(env);
    item.Set("at", toMs(change.atNs));
    set(item, "from", change.from);
    set(item, "to", change.to);
    set(item, "sequence", change.extended);
    changes.Set(i, item);
  }
  object.Set("ssrcChanges", changes);
  set(object, "ssrcChangeCount", report.ssrcChangeCount);
  object.Set("packetMs", report.packetMs);
  if (report.lastPayloadType) set(object, "lastPayloadType", *report.lastPayloadType);
  set(object, "egressPackets", report.egressPackets);
  set(object, "egressErrors", report.egressErrors);
  if (report.lastEgressNs != 0) object.Set("lastEgressAt", toMs(report.lastEgressNs));
  if (report.ringFirst) set(object, "ringFirst", *report.ringFirst);
  return object;
}

Napi::Value toJs(Napi::Env env, const std::vector<StreamReport>& reports) {
  return listToJs(env, reports);
}

Napi::Value toJs(Napi::Env env, const std::vector<ForkReport>& reports) {
  return listToJs(env, reports);
}

Napi::Value toJs(Napi::Env env, const Stock& stock) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("streams", toJs(env, stock.streams));
  object.Set("forks", toJs(env, stock.forks));
  return object;
}

Napi::Value toJs(Napi::Env env, const std::vector<uint32_t>& ids) {
  Napi::Array list = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); ++i) list.Set(i, static_cast<double>(ids[i]));
  return list;
}

Napi::Value toJs(Napi::Env env, const std::vector<std::optional<uint64_t>>& sequences) {
  Napi::Array list = Napi::Array::New(env, sequences.size());
  for (uint32_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i])
      list.Set(i, static_cast<double>(*sequences[i]));
    else
      list.Set(i, env.Undefined());
  }
  return list;
}

Napi::Value toJs(Napi::Env env, const std::vector<LastHeard>& all) {
  Napi::Float64Array numbers = Napi::Float64Array::New(env, all.size() * 2);
  for (size_t i = 0; i < all.size(); ++i) {
    numbers[2 * i] = all[i].portId;
    numbers[2 * i + 1] = toMs(all[i].atNs);
  }
  return numbers;
}

Napi::Value toJs(Napi::Env env, const std::vector<RelayStallReport>& all) {
  Napi::Array list = Napi::Array::New(env, all.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    Napi::Object item = Napi::Object::New(env);
    set(item, "portId", all[i].portId);
    item.Set("since", toMs(all[i].stall.sinceNs));
    item.Set("at", toMs(all[i].stall.atNs));
    list.Set(i, item);
  }
  return list;
}

Napi::Value toJs(Napi::Env env, const std::vector<ForkSigns>& all) {
  constexpr size_t kNumbers = 11;
  Napi::Float64Array numbers = Napi::Float64Array::New(env, all.size() * kNumbers);
  double* out = numbers.Data();
  for (const ForkSigns& signs : all) {
    *out++ = signs.forkId;
    *out++ = toMs(signs.reportedNs);
    *out++ = static_cast<double>(signs.receiverReports);
    *out++ = signs.fractionLost;
    *out++ = static_cast<double>(signs.sentSinceReport);
    *out++ = toMs(signs.sendingSinceNs);
    *out++ = toMs(signs.refusedNs);
    *out++ = toMs(signs.doubtedNs);
    *out++ = toMs(signs.unsendableNs);
    *out++ = signs.isLive ? 1 : 0;
    *out++ = signs.isSettled ? 1 : 0;
  }
  return numbers;
}

Napi::Value toJs(Napi::Env env, const OpenedCapture& capture) {
  Napi::Object object = Napi::Object::New(env);
  set(object, "captureId", capture.captureId);
  Napi::Array streams = Napi::Array::New(env, capture.streams.size());
  for (uint32_t i = 0; i < capture.streams.size(); ++i)
    streams.Set(i, toJs(env, capture.streams[i]));
  object.Set("streams", streams);
  return object;
}

Napi::Value toJs(Napi::Env env, const CaptureReport& report) {
  Napi::Object object = Napi::Object::New(env);
  set(object, "captureId", report.captureId);
  set(object, "fileBytes", report.fileBytes);
  if (report.failed != 0) object.Set("failed", strerrorname_np(report.failed));
  set(object, "restored", report.restored);
  Napi::Array streams = Napi::Array::New(env, report.streams.size());
  for (uint32_t i = 0; i < report.streams.size(); ++i) {
    const CaptureStreamReport& stream = report.streams[i];
    Napi::Object item = Napi::Object::New(env);
    item.Set("label", stream.label);
    set(item, "packets", stream.packets);
    set(item, "bytes", stream.bytes);
    set(item, "rtcpPackets", stream.rtcpPackets);
    item.Set("lostPackets", static_cast<double>(stream.lostPackets));
    if (stream.ssrc) set(item, "ssrc", *stream.ssrc);
    if (stream.firstNs != 0) item.Set("firstAt", toMs(stream.firstNs));
    if (stream.lastNs != 0) item.Set("lastAt", toMs(stream.lastNs));
    set(item, "kernelDrops", stream.kernelDrops);
    item.Set("refused", toJs(env, stream.refused));
    set(item, "refusedAfterLast", stream.refusedAfterLast);
    streams.Set(i, item);
  }
  object.Set("streams", streams);
  return object;
}

Napi::Value toJs(Napi::Env env, const Counters& counters) {
  Napi::Object object = Napi::Object::New(env);
  set(object, "wakeups", counters.wakeups);
  set(object, "packetsIn", counters.packetsIn);
  set(object, "bytesIn", counters.bytesIn);
  set(object, "packetsToParties", counters.packetsToParties);
  set(object, "packetsToRelay", counters.packetsToRelay);
  set(object, "packetsFromRelay", counters.packetsFromRelay);
  set(object, "packetsToLegs", counters.packetsToLegs);
  set(object, "rtcpIn", counters.rtcpIn);
  set(object, "rtcpOut", counters.rtcpOut);
  set(object, "icmpErrors", counters.icmpErrors);
  set(object, "sendErrors", counters.sendErrors);
  set(object, "kernelDrops", counters.kernelDrops);
  set(object, "droppedEvents", counters.droppedEvents);
  object.Set("refused", toJs(env, counters.refused));
  object.Set("unforwarded", toJs(env, counters.unforwarded));
  set(object, "ports", counters.ports);
  set(object, "forks", counters.forks);
  set(object, "captures", counters.captures);
  return object;
}

Napi::Value toJs(Napi::Env env, const Event& event) {
  Napi::Object object = Napi::Object::New(env);
  switch (event.type) {
    case Event::Type::kLatched:
    case Event::Type::kMoved:
      object.Set("type", event.type == Event::Type::kLatched ? "latched" : "moved");
      set(object, "portId", event.id);
      object.Set("address", toJs(env, event.address));
      break;
    case Event::Type::kSsrcChanged:
      object.Set("type", "ssrc-changed");
      set(object, "portId", event.id);
      set(object, "from", event.from);
      set(object, "to", event.to);
      break;
    case Event::Type::kRelaySilent:
      object.Set("type", "relay-silent");
      set(object, "portId", event.id);
      object.Set("at", toMs(event.atNs));
      break;
    case Event::Type::kForkRefused:
      object.Set("type", "fork-refused");
      set(object, "forkId", event.id);
      object.Set("at", toMs(event.atNs));
      break;
    case Event::Type::kForkLive:
      object.Set("type", "fork-live");
      set(object, "forkId", event.id);
      break;
    case Event::Type::kForkOverrun:
      object.Set("type", "fork-overrun");
      set(object, "forkId", event.id);
      set(object, "packets", event.packets);
      break;
    case Event::Type::kForkEnded:
      object.Set("type", "fork-ended");
      set(object, "forkId", event.id);
      break;
    case Event::Type::kCaptureFailed:
      object.Set("type", "capture-failed");
      set(object, "captureId", event.id);
      object.Set("errno", strerrorname_np(event.error));
      break;
    case Event::Type::kCaptureRestored:
      object.Set("type", "capture-restored");
      set(object, "captureId", event.id);
      break;
  }
  return object;
}

}  // namespace tandem
