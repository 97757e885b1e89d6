#include "js_processes.h"

#include "file_lock.h"
#include "js_guard.h"
#include "js_read.h"
#include "peer_credentials.h"
#include "service_notify.h"

namespace tandem {

namespace {

template <typename Body>
Napi::Function guardedFunction(Napi::Env env, Body body) {
  return Napi::Function::New(env, [body](const Napi::CallbackInfo& info) -> Napi::Value {
    return guarded(info.Env(), [&] { return body(info); });
  });
}

int readFd(const Napi::Value& value) { return static_cast<int>(readUint32(value, "fd")); }

}  // namespace

void defineProcesses(Napi::Env env, Napi::Object& exports) {
  exports.Set("peerCredentials",
              guardedFunction(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                const auto [pid, uid] = peerCredentials(readFd(info[0]));
                Napi::Object object = Napi::Object::New(info.Env());
                object.Set("pid", Napi::Number::New(info.Env(), pid));
                object.Set("uid", Napi::Number::New(info.Env(), uid));
                return object;
              }));
  exports.Set("lockFile", guardedFunction(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                const auto holder = lockFile(readFd(info[0]));
                if (!holder) return info.Env().Undefined();
                return Napi::Number::New(info.Env(), *holder);
              }));
  exports.Set("notifyService",
              guardedFunction(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                notifyService(readString(info[0], "socket"), readString(info[1], "state"));
                return info.Env().Undefined();
              }));
}

}  // namespace tandem
