#include <fcntl.h>
#include <napi.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "clock.h"
#include "edge.h"
#include "error.h"
#include "fuzz.h"
#include "js_guard.h"
#include "js_processes.h"
#include "js_read.h"
#include "js_view.h"
#include "js_write.h"
#include "limits.h"
#include "precedence.h"
#include "process_sockets.h"
#include "tables.h"
#include "trace_reception.h"
#include "trace_relay.h"
#include "trace_reports.h"

namespace tandem {

namespace {

void callListener(Napi::Env env, Napi::Function listener, void*, Event* event) {
  const std::unique_ptr<Event> owned(event);
  // Without an environment, the queue is being emptied at the end.
  if (static_cast<napi_env>(env) == nullptr || event == nullptr) return;
  listener.Call({toJs(env, *event)});
}

/** Events from edge threads to JavaScript: a bounded queue, never waited for; what does not fit is
 * counted. */
class EventQueue final : public EventSink {
 public:
  EventQueue(Napi::Env env, const Napi::Function& listener)
      : queue_(Queue::New(env, listener, "edge events", kEventQueueMax, 1)) {
    // The edge does not keep a process alive that is otherwise done.
    queue_.Unref(env);
  }

  void emit(const Event& event) override {
    auto copy = std::make_unique<Event>(event);
    if (queue_.NonBlockingCall(copy.get()) == napi_ok) {
      copy.release();
    } else {
      dropped_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  void close() { queue_.Abort(); }

 private:
  using Queue = Napi::TypedThreadSafeFunction<void, Event, callListener>;

  Queue queue_;
  std::atomic<uint64_t> dropped_{0};
};

class EdgeAddon final : public Napi::ObjectWrap<EdgeAddon>, public ViewMethods<EdgeAddon> {
 public:
  using Descriptor = Napi::ClassPropertyDescriptor<EdgeAddon>;

  static void define(Napi::Env env, Napi::Object& exports) {
    std::vector<Descriptor> methods = viewMethods();
    for (const Descriptor& method : std::initializer_list<Descriptor>{
             InstanceMethod<&EdgeAddon::takePrecedence>("takePrecedence"),
             InstanceMethod<&EdgeAddon::pickShard>("pickShard"),
             InstanceMethod<&EdgeAddon::memoryPath>("memoryPath"),
             InstanceMethod<&EdgeAddon::openPort>("openPort"),
             InstanceMethod<&EdgeAddon::setRemote>("setRemote"),
             InstanceMethod<&EdgeAddon::setRoutes>("setRoutes"),
             InstanceMethod<&EdgeAddon::closePort>("closePort"),
             InstanceMethod<&EdgeAddon::takeStock>("takeStock"),
             InstanceMethod<&EdgeAddon::addForks>("addForks"),
             InstanceMethod<&EdgeAddon::setForkTarget>("setForkTarget"),
             InstanceMethod<&EdgeAddon::pauseFork>("pauseFork"),
             InstanceMethod<&EdgeAddon::resumeFork>("resumeFork"),
             InstanceMethod<&EdgeAddon::endForks>("endForks"),
             InstanceMethod<&EdgeAddon::removeForks>("removeForks"),
             InstanceMethod<&EdgeAddon::openCapture>("openCapture"),
             InstanceMethod<&EdgeAddon::setCaptureRemote>("setCaptureRemote"),
             InstanceMethod<&EdgeAddon::closeCapture>("closeCapture"),
             InstanceMethod<&EdgeAddon::captureReport>("captureReport"),
             InstanceMethod<&EdgeAddon::close>("close"),
         })
      methods.push_back(method);
    exports.Set("Edge", DefineClass(env, "Edge", methods));
  }

  explicit EdgeAddon(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
    guarded(info.Env(), [&]() -> Napi::Value {
      if (!info[1].IsFunction()) fail("onEvent is not a function");
      const Napi::Object options = readObject(info[0], "options");
      const bool isAdopted = !options.Get("memory").IsUndefined();
      const std::optional<EdgeOptions> fresh =
          isAdopted ? std::nullopt : std::optional(readEdgeOptions(options));
      events_ = std::make_unique<EventQueue>(info.Env(), info[1].As<Napi::Function>());
      try {
        if (fresh) {
          startClock(readSignedMs(info[2], "clockOffset"));
          edge_ = std::make_unique<Edge>(*fresh, *events_);
        } else {
          edge_ = adopt(options);
        }
      } catch (...) {
        events_->close();
        throw;
      }
      return info.Env().Undefined();
    });
    // Threads end before the event queue does, even when nobody called close().
    napi_add_env_cleanup_hook(env_, &EdgeAddon::onEnvironmentEnd, this);
    hooked_ = true;
  }

  ~EdgeAddon() override { shutDown(); }

  View& view() {
    edge().countDroppedEvents(events_->dropped());
    return edge().view();
  }

 private:
  std::unique_ptr<Edge> adopt(const Napi::Object& options) {
    const std::string path = readString(options.Get("memory"), "memory");
    UniqueFd memory(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!memory.valid()) failErrno("open the edge's memory at " + path);
    return std::make_unique<Edge>(std::move(memory),
                                  takeDescriptors(options.Get("sockets"), "sockets"), *events_);
  }

  static void onEnvironmentEnd(void* self) {
    auto* addon = static_cast<EdgeAddon*>(self);
    addon->hooked_ = false;
    addon->shutDown();
  }

  void shutDown() {
    if (hooked_) napi_remove_env_cleanup_hook(env_, &EdgeAddon::onEnvironmentEnd, this);
    hooked_ = false;
    if (!edge_) return;
    edge_.reset();
    events_->close();
  }

  Edge& edge() {
    if (!edge_) fail("the edge is closed");
    return *edge_;
  }

  template <typename Body>
  Napi::Value answer(const Napi::CallbackInfo& info, Body&& body) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      using Result = std::invoke_result_t<Body, Edge&>;
      if constexpr (std::is_void_v<Result>) {
        body(edge());
        return info.Env().Undefined();
      } else if constexpr (std::is_arithmetic_v<Result>) {
        return Napi::Number::New(info.Env(), static_cast<double>(body(edge())));
      } else {
        return toJs(info.Env(), body(edge()));
      }
    });
  }

  static uint32_t id(const Napi::CallbackInfo& info) { return readUint32(info[0], "id"); }

  Napi::Value takePrecedence(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), edge().takePrecedence(readNiceness(info[0])));
    });
  }
  Napi::Value pickShard(const Napi::CallbackInfo& info) {
    return answer(info, [](Edge& edge) { return edge.pickShard(); });
  }
  Napi::Value openPort(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      const Napi::Object options = readObject(info[0], "options");
      return edge.openPort(readUint32(options.Get("shard"), "shard"),
                           readHost(options.Get("host"), "host"), readLatch(options.Get("latch")));
    });
  }
  Napi::Value setRemote(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { edge.setRemote(id(info), readPortRemote(info[1])); });
  }
  Napi::Value setRoutes(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { edge.setRoutes(readPortRoutes(info[0])); });
  }
  Napi::Value closePort(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.closePort(id(info)); });
  }
  Napi::Value takeStock(const Napi::CallbackInfo& info) {
    return answer(info,
                  [&](Edge& edge) { return edge.takeStock(readIds(info[0]), readIds(info[1])); });
  }
  Napi::Value addForks(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.addForks(readAddForks(info[0])); });
  }
  Napi::Value setForkTarget(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      edge.setForkTarget(id(info), readSocketAddress(info[1], "rtp"),
                         readSocketAddress(info[2], "rtcp"));
    });
  }
  Napi::Value pauseFork(const Napi::CallbackInfo& info) {
    return answer(info,
                  [&](Edge& edge) { edge.pauseFork(id(info), readSequence(info[1], "from")); });
  }
  Napi::Value resumeFork(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { edge.resumeFork(id(info)); });
  }
  Napi::Value endForks(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.endForks(readIds(info[0])); });
  }
  Napi::Value removeForks(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.removeForks(readIds(info[0])); });
  }
  Napi::Value openCapture(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.openCapture(readOpenCapture(info[0])); });
  }
  Napi::Value setCaptureRemote(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      edge.setCaptureRemote(id(info), readUint32(info[1], "streamIndex"),
                            readCaptureRemote(info[2]));
    });
  }
  Napi::Value closeCapture(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.closeCapture(id(info)); });
  }
  Napi::Value captureReport(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.captureReport(id(info)); });
  }
  Napi::Value memoryPath(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::String::New(info.Env(), edge().memory().path());
    });
  }
  Napi::Value close(const Napi::CallbackInfo& info) {
    shutDown();
    return info.Env().Undefined();
  }

  napi_env env_;
  // The edge ends before its event queue.
  std::unique_ptr<EventQueue> events_;
  std::unique_ptr<Edge> edge_;
  bool hooked_ = false;
};

/** A view of the memory of an edge that may run in another process. */
class ViewAddon final : public Napi::ObjectWrap<ViewAddon>, public ViewMethods<ViewAddon> {
 public:
  static void define(Napi::Env env, Napi::Object& exports) {
    auto methods = viewMethods();
    methods.push_back(InstanceMethod<&ViewAddon::startedAt>("startedAt"));
    methods.push_back(InstanceMethod<&ViewAddon::close>("close"));
    exports.Set("EdgeView", DefineClass(env, "EdgeView", methods));
  }

  explicit ViewAddon(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      const std::string path = readString(info[0], "path");
      UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd.valid()) failErrno("open the edge's memory at " + path);
      opened_ = std::make_unique<OpenedView>(std::move(fd));
      return info.Env().Undefined();
    });
  }

  View& view() {
    if (!opened_) fail("the view is closed");
    return opened_->view();
  }

 private:
  Napi::Value startedAt(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      view();
      const auto ns = static_cast<double>(opened_->header().startedAtNs);
      return Napi::Number::New(info.Env(), ns / kNsPerMs);
    });
  }
  Napi::Value close(const Napi::CallbackInfo& info) {
    opened_.reset();
    return info.Env().Undefined();
  }

  std::unique_ptr<OpenedView> opened_;
};

Napi::Value fuzzWith(const Napi::CallbackInfo& info, bool (*parse)(const uint8_t*, size_t)) {
  if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "a Uint8Array is expected");
  const auto bytes = info[0].As<Napi::Uint8Array>();
  return Napi::Boolean::New(info.Env(), parse(bytes.Data(), bytes.ByteLength()));
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  EdgeAddon::define(env, exports);
  ViewAddon::define(env, exports);
  exports.Set("takePrecedence", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guarded(info.Env(), [&]() -> Napi::Value {
                  const auto thread = static_cast<pid_t>(readUint32(info[0], "thread"));
                  return Napi::Boolean::New(info.Env(),
                                            takePrecedence(thread, readNiceness(info[1])));
                });
              }));
  exports.Set("stepWallClock", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guarded(info.Env(), [&]() -> Napi::Value {
                  wallStepNs += readSignedMs(info[0], "ms");
                  return info.Env().Undefined();
                });
              }));
  defineProcesses(env, exports);
  exports.Set("socketsOf", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return guarded(info.Env(), [&]() -> Napi::Value {
                  const auto pid = static_cast<pid_t>(readUint32(info[0], "pid"));
                  return toJs(info.Env(), socketsOf(pid));
                });
              }));
  defineTables(env, exports);
  exports.Set("fuzzRtp", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return fuzzWith(info, fuzzRtp);
              }));
  exports.Set("fuzzRtcp", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return fuzzWith(info, fuzzRtcp);
              }));
  exports.Set("fuzzChannel", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return fuzzWith(info, fuzzChannel);
              }));
  exports.Set("fuzzMemory", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return fuzzWith(info, fuzzMemory);
              }));
  exports.Set("traceReception", Napi::Function::New(env, traceReception));
  exports.Set("traceRelay", Napi::Function::New(env, traceRelay));
  exports.Set("traceReports", Napi::Function::New(env, traceReports));
  return exports;
}

}  // namespace

}  // namespace tandem

// The registration macro wants an unqualified name.
static Napi::Object initialiseAddon(Napi::Env env, Napi::Object exports) {
  return tandem::initialise(env, exports);
}

NODE_API_MODULE(edge, initialiseAddon)
