#include <napi.h>

#include <atomic>
#include <memory>

#include "clock.h"
#include "edge.h"
#include "error.h"
#include "fuzz.h"
#include "js_processes.h"
#include "js_read.h"
#include "js_write.h"
#include "limits.h"
#include "precedence.h"
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

/** Runs `body` and turns its EdgeError into a JavaScript error with a `code`. */
template <typename Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const EdgeError& error) {
    Napi::Error thrown = Napi::Error::New(env, error.what());
    thrown.Set("code", Napi::String::New(env, error.code()));
    throw thrown;
  } catch (const std::bad_alloc&) {
    throw Napi::Error::New(env, "out of memory");
  }
}

class EdgeAddon final : public Napi::ObjectWrap<EdgeAddon> {
 public:
  static void define(Napi::Env env, Napi::Object& exports) {
    exports.Set("Edge",
                DefineClass(env, "Edge",
                            {
                                InstanceMethod<&EdgeAddon::takePrecedence>("takePrecedence"),
                                InstanceMethod<&EdgeAddon::pickShard>("pickShard"),
                                InstanceMethod<&EdgeAddon::relayAddress>("relayAddress"),
                                InstanceMethod<&EdgeAddon::legAddress>("legAddress"),
                                InstanceMethod<&EdgeAddon::openPort>("openPort"),
                                InstanceMethod<&EdgeAddon::setRemote>("setRemote"),
                                InstanceMethod<&EdgeAddon::setRoutes>("setRoutes"),
                                InstanceMethod<&EdgeAddon::relayStalls>("relayStalls"),
                                InstanceMethod<&EdgeAddon::lastHeard>("lastHeard"),
                                InstanceMethod<&EdgeAddon::closePort>("closePort"),
                                InstanceMethod<&EdgeAddon::streamReports>("streamReports"),
                                InstanceMethod<&EdgeAddon::sequencesAt>("sequencesAt"),
                                InstanceMethod<&EdgeAddon::takeStock>("takeStock"),
                                InstanceMethod<&EdgeAddon::addForks>("addForks"),
                                InstanceMethod<&EdgeAddon::setForkTarget>("setForkTarget"),
                                InstanceMethod<&EdgeAddon::pauseFork>("pauseFork"),
                                InstanceMethod<&EdgeAddon::resumeFork>("resumeFork"),
                                InstanceMethod<&EdgeAddon::endForks>("endForks"),
                                InstanceMethod<&EdgeAddon::removeForks>("removeForks"),
                                InstanceMethod<&EdgeAddon::forkReports>("forkReports"),
                                InstanceMethod<&EdgeAddon::openCapture>("openCapture"),
                                InstanceMethod<&EdgeAddon::setCaptureRemote>("setCaptureRemote"),
                                InstanceMethod<&EdgeAddon::closeCapture>("closeCapture"),
                                InstanceMethod<&EdgeAddon::captureReport>("captureReport"),
                                InstanceMethod<&EdgeAddon::forkSigns>("forkSigns"),
                                InstanceMethod<&EdgeAddon::counters>("counters"),
                                InstanceMethod<&EdgeAddon::close>("close"),
                            }));
  }

  explicit EdgeAddon(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
    guarded(info.Env(), [&]() -> Napi::Value {
      const EdgeOptions options = readEdgeOptions(info[0]);
      startClock(readSignedMs(info[2], "clockOffset"));
      if (!info[1].IsFunction()) fail("onEvent is not a function");
      events_ = std::make_unique<EventQueue>(info.Env(), info[1].As<Napi::Function>());
      try {
        edge_ = std::make_unique<Edge>(options, *events_);
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

 private:
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
  Napi::Value relayAddress(const Napi::CallbackInfo& info) {
    return answer(info,
                  [&](Edge& edge) { return edge.relayAddress(readUint32(info[0], "shard")); });
  }
  Napi::Value legAddress(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      const int family = readUint32(info[2], "family") == 6 ? AF_INET6 : AF_INET;
      return edge.legAddress(readUint32(info[0], "shard"), readUint32(info[1], "streamIndex"),
                             family);
    });
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
  Napi::Value lastHeard(const Napi::CallbackInfo& info) {
    return answer(info, [](Edge& edge) { return edge.lastHeard(); });
  }
  Napi::Value relayStalls(const Napi::CallbackInfo& info) {
    return answer(info, [](Edge& edge) { return edge.relayStalls(); });
  }
  Napi::Value closePort(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.closePort(id(info)); });
  }
  Napi::Value streamReports(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.streamReports(readIds(info[0])); });
  }
  Napi::Value sequencesAt(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      return edge.sequencesAt(readIds(info[0]), readTime(info[1], "at"));
    });
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
  Napi::Value forkReports(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) { return edge.forkReports(readIds(info[0])); });
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
  Napi::Value forkSigns(const Napi::CallbackInfo& info) {
    return answer(info, [](Edge& edge) { return edge.forkSigns(); });
  }
  Napi::Value counters(const Napi::CallbackInfo& info) {
    return answer(info, [&](Edge& edge) {
      Counters counters = edge.counters();
      counters.droppedEvents = events_->dropped();
      return counters;
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

Napi::Value fuzzWith(const Napi::CallbackInfo& info, bool (*parse)(const uint8_t*, size_t)) {
  if (!info[0].IsTypedArray()) throw Napi::TypeError::New(info.Env(), "a Uint8Array is expected");
  const auto bytes = info[0].As<Napi::Uint8Array>();
  return Napi::Boolean::New(info.Env(), parse(bytes.Data(), bytes.ByteLength()));
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  EdgeAddon::define(env, exports);
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
