#pragma once

#include <sys/types.h>

namespace tandem {

/**
 * A thread's nice value, -20..19, and a short slice: it runs for little at a time, and is let in
 * early for that when it wakes (sched_setattr(2); Linux from 6.12 on, passed over before). `thread`
 * 0: the calling one. False where the system does not allow it.
 */
bool takePrecedence(pid_t thread, int niceness);

}  // namespace tandem
