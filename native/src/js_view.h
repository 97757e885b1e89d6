#pragma once

#include <napi.h>

#include <utility>
#include <vector>

#include "js_guard.h"
#include "js_read.h"
#include "js_write.h"
#include "view.h"

namespace tandem {

/** What JavaScript reads out of an edge's memory, its own or another process's. @param Self has
 * `View& view()`, which throws EdgeError when it is closed */
template <typename Self>
class ViewMethods {
 public:
  Napi::Value relayAddress(const Napi::CallbackInfo& info) {
    return look(info, [&](View& view) { return view.relayAddress(readUint32(info[0], "shard")); });
  }
  Napi::Value legAddress(const Napi::CallbackInfo& info) {
    return look(info, [&](View& view) {
      const int family = readUint32(info[2], "family") == 6 ? AF_INET6 : AF_INET;
      return view.legAddress(readUint32(info[0], "shard"), readUint32(info[1], "streamIndex"),
                             family);
    });
  }
  Napi::Value streamReports(const Napi::CallbackInfo& info) {
    return look(info, [&](View& view) { return view.streamReports(someIds(info[0])); });
  }
  Napi::Value sequencesAt(const Napi::CallbackInfo& info) {
    return look(info, [&](View& view) {
      return view.sequencesAt(someIds(info[0]), readTime(info[1], "at"));
    });
  }
  Napi::Value forkReports(const Napi::CallbackInfo& info) {
    return look(info, [&](View& view) { return view.forkReports(someIds(info[0])); });
  }
  Napi::Value forkSigns(const Napi::CallbackInfo& info) {
    return look(info, [](View& view) { return view.forkSigns(); });
  }
  Napi::Value lastHeard(const Napi::CallbackInfo& info) {
    return look(info, [](View& view) { return view.lastHeard(); });
  }
  Napi::Value relayStalls(const Napi::CallbackInfo& info) {
    return look(info, [](View& view) { return view.relayStalls(); });
  }
  Napi::Value counters(const Napi::CallbackInfo& info) {
    return look(info, [](View& view) { return view.counters(); });
  }

 protected:
  static std::vector<Napi::ClassPropertyDescriptor<Self>> viewMethods() {
    return {
        Self::InstanceMethod("relayAddress", &Self::relayAddress),
        Self::InstanceMethod("legAddress", &Self::legAddress),
        Self::InstanceMethod("streamReports", &Self::streamReports),
        Self::InstanceMethod("sequencesAt", &Self::sequencesAt),
        Self::InstanceMethod("forkReports", &Self::forkReports),
        Self::InstanceMethod("forkSigns", &Self::forkSigns),
        Self::InstanceMethod("lastHeard", &Self::lastHeard),
        Self::InstanceMethod("relayStalls", &Self::relayStalls),
        Self::InstanceMethod("counters", &Self::counters),
    };
  }

 private:
  static std::vector<uint32_t> someIds(const Napi::Value& value) {
    std::vector<uint32_t> ids = readIds(value);
    if (ids.empty()) fail("a list of ids is empty");
    return ids;
  }

  template <typename Look>
  Napi::Value look(const Napi::CallbackInfo& info, Look&& read) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return toJs(info.Env(), read(static_cast<Self*>(this)->view()));
    });
  }
};

}  // namespace tandem
