#pragma once

#include <sys/eventfd.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "error.h"
#include "events.h"
#include "limits.h"
#include "unique_fd.h"

namespace tandem {

/** Events from edge threads to the thread of the channel: bounded, never waited for; what does not
 * fit is counted. There are few of them: none is of a packet. */
class EventQueue final : public EventSink {
 public:
  EventQueue() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_.valid()) failErrno("eventfd");
  }

  void emit(const Event& event) override {
    {
      const std::lock_guard lock(mutex_);
      if (events_.size() >= kEventQueueMax) {
        drop();
        return;
      }
      events_.push_back(event);
    }
    eventfd_write(wake_.get(), 1);
  }

  /** Readable while there are events. */
  int fd() const { return wake_.get(); }
  std::deque<Event> take() {
    eventfd_t ignored;
    eventfd_read(wake_.get(), &ignored);
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }

  /** One that nobody will be told. */
  void drop() { dropped_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  UniqueFd wake_;
  std::mutex mutex_;
  std::deque<Event> events_;
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace tandem
