#pragma once

#include <cstdint>

#include "address.h"

namespace tandem {

struct Event {
  enum class Type : uint8_t {
    kLatched,
    kMoved,
    kSsrcChanged,
    kRelaySilent,
    kForkRefused,
    kForkLive,
    kForkOverrun,
    kForkEnded,
    kCaptureFailed,
    kCaptureRestored
  };

  Type type;
  uint32_t id;
  Address address;
  uint32_t from = 0;
  uint32_t to = 0;
  int64_t atNs = 0;
  uint64_t packets = 0;
  int error = 0;
};

/** Called on edge threads; never blocks. */
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void emit(const Event& event) = 0;
};

}  // namespace tandem
