#include "precedence.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace tandem {

namespace {

/** The shortest that the scheduler takes. */
constexpr uint64_t kSliceNs = 100'000;

/** sched_setattr(2), first version; the C library has no name for it. */
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};

}  // namespace

bool takePrecedence(pid_t thread, int niceness) {
  SchedulingAttributes attributes{};
  attributes.size = sizeof attributes;
  attributes.nice = niceness;
  attributes.runtime = kSliceNs;
  return syscall(SYS_sched_setattr, thread, &attributes, 0) == 0;
}

}  // namespace tandem
