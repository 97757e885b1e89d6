#include "trace_relay.h"

#include <bitset>

#include "js_read.h"
#include "relay_watch.h"

namespace tandem {

Napi::Value traceRelay(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array steps = info[0].As<Napi::Array>();
  const Napi::Array types = info[1].As<Napi::Array>();
  std::bitset<128> payloadTypes;
  for (uint32_t i = 0; i < types.Length(); ++i)
    payloadTypes.set(types.Get(i).As<Napi::Number>().Uint32Value() & 0x7f);
  RelayWatch watch(payloadTypes);
  Napi::Array traces = Napi::Array::New(env, steps.Length());
  for (uint32_t i = 0; i < steps.Length(); ++i) {
    const Napi::Object step = readObject(steps.Get(i), "steps");
    Unforwarded reason = Unforwarded::kNone;
    if (step.Has("back")) {
      watch.cameBack();
    } else {
      RtpHeader header;
      header.payloadType = static_cast<uint8_t>(readUint32(step.Get("payloadType"), "payloadType"));
      header.payloadBytes =
          static_cast<uint16_t>(readUint32(step.Get("payloadBytes"), "payloadBytes"));
      reason = watch.classify(header,
                              static_cast<uint16_t>(readUint32(step.Get("sequence"), "sequence")));
      const double at = step.Get("at").As<Napi::Number>().DoubleValue();
      if (reason == Unforwarded::kNone) watch.handedOver(static_cast<int64_t>(at * kNsPerMs));
    }
    Napi::Object trace = Napi::Object::New(env);
    trace.Set("unforwarded", kUnforwardedNames[static_cast<size_t>(reason)]);
    trace.Set("silent", watch.silent());
    traces.Set(i, trace);
  }
  return traces;
}

}  // namespace tandem
