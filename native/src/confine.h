#pragma once

namespace tandem {

// What a process that was taken over could do is little: it has its sockets and its memory.

/** Of the process, before it has threads: no core dumps and no debugger of the same user, no rights
 * by executing something, as many descriptors as it may have. */
void confineProcess();
/** Of the calling thread, root's included. What was done with a right before stays. */
void dropCapabilities();
/** Of all threads: starts no program, looks into no other process, changes nothing of the system.
 * False where the kernel has no filters. */
bool filterSystemCalls();

}  // namespace tandem
