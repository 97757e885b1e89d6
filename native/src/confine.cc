#include "confine.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "error.h"

namespace tandem {

namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "no system call filter for this architecture"
#endif

/** Numbers of the x32 ABI, which this program does not use, begin here. */
constexpr uint32_t kForeignCalls = 0x40000000;

/** All that a media process has no use for and that somebody else's code in it would need. */
constexpr std::array<uint32_t, 33> kRefusedCalls = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_io_uring_setup,
    SYS_setuid,
    SYS_setgid,
};

sock_filter statement(uint16_t code, uint32_t value) { return {code, 0, 0, value}; }
sock_filter jump(uint16_t code, uint32_t value, uint8_t ifSo, uint8_t ifNot) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), ifSo, ifNot, value};
}

}  // namespace

void confineProcess() {
  if (prctl(PR_SET_DUMPABLE, 0) != 0) failErrno("PR_SET_DUMPABLE");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) failErrno("PR_SET_NO_NEW_PRIVS");
  // Two a port, and more than systems give without being asked.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) failErrno("RLIMIT_NOFILE");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) failErrno("RLIMIT_NOFILE");
}

void dropCapabilities() {
  // From what it could ever get, as far as it may; it has no say where it has none.
  for (unsigned long right = 0; right <= CAP_LAST_CAP; ++right) prctl(PR_CAPBSET_DROP, right);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (syscall(SYS_capset, &header, none.data()) != 0) failErrno("capset");
}

bool filterSystemCalls() {
  std::vector<sock_filter> program = {
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      jump(BPF_JEQ, kArchitecture, 1, 0),
      statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      jump(BPF_JGE, kForeignCalls, static_cast<uint8_t>(kRefusedCalls.size() + 1), 0),
  };
  for (size_t i = 0; i < kRefusedCalls.size(); ++i)
    program.push_back(
        jump(BPF_JEQ, kRefusedCalls[i], static_cast<uint8_t>(kRefusedCalls.size() - i), 0));
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

}  // namespace tandem
