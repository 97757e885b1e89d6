// The yardstick: the least that a fork in userspace has to do, without anything that makes it of
// use. For each party a pinned port; a packet goes to the other party as it came, and to two legs.
// One thread, epoll, recv, sendto to the peer, and one sendmmsg of all legs per wake-up. No latch,
// no ring, no ledger, no RTCP, no mediasoup.
//
//   port IP PEER PARTY_IP PARTY_PORT LEG_1_IP LEG_1_PORT LEG_2_IP LEG_2_PORT
//                      ports are numbered from 0 in this order; PEER is the other party's
//   run                -> {"event":"bound","ports":[P,...]}
//   usage              -> {"event":"usage","userUs":N,"systemUs":N,"packetsIn":N,...}, of this
//   process (getrusage)
//
// Ends at the end of its input.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  PORTS_MAX = 8192,
  BATCH = 256,
  LEGS = 2,
  DATAGRAM_MAX = 2048,
  LINE_MAX_BYTES = 65536,
  BUFFER_BYTES = 1 << 20
};
static const uint32_t kStdin = UINT32_MAX;

struct port {
  int fd;
  unsigned peer;
  struct sockaddr_in party;
  struct sockaddr_in legs[LEGS];
};

static struct port ports[PORTS_MAX];
static unsigned portCount;
static int legFd;
static int epollFd;
static uint64_t packetsIn, packetsToParties, packetsToLegs, sendErrors, wakeups;

static uint8_t packets[BATCH][DATAGRAM_MAX];
static struct mmsghdr messages[BATCH * LEGS];
static struct iovec vectors[BATCH * LEGS];

static void die(const char* what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in addressOf(const char* ip, unsigned port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) die(ip);
  return address;
}

static int openSocket(struct sockaddr_in* address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int bytes = BUFFER_BYTES;
  socklen_t length = sizeof *address;
  if (fd < 0) die("socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  if (bind(fd, (struct sockaddr*)address, length) != 0) die("bind");
  if (getsockname(fd, (struct sockaddr*)address, &length) != 0) die("getsockname");
  return fd;
}

static void watch(int fd, uint32_t index) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void addPort(const char* line) {
  char ip[64], partyIp[64], legIp[LEGS][64];
  unsigned peer, partyPort, legPort[LEGS];
  if (portCount == PORTS_MAX ||
      sscanf(line, "port %63s %u %63s %u %63s %u %63s %u", ip, &peer, partyIp, &partyPort, legIp[0],
             &legPort[0], legIp[1], &legPort[1]) != 8) {
    die(line);
  }
  struct port* port = &ports[portCount];
  struct sockaddr_in local = addressOf(ip, 0);
  port->fd = openSocket(&local);
  port->peer = peer;
  port->party = addressOf(partyIp, partyPort);
  for (int leg = 0; leg < LEGS; ++leg) port->legs[leg] = addressOf(legIp[leg], legPort[leg]);
  watch(port->fd, portCount);
  ++portCount;
}

static void printPorts(void) {
  printf("{\"event\":\"bound\",\"ports\":[");
  for (unsigned i = 0; i < portCount; ++i) {
    struct sockaddr_in local;
    socklen_t length = sizeof local;
    if (getsockname(ports[i].fd, (struct sockaddr*)&local, &length) != 0) die("getsockname");
    printf("%s%u", i == 0 ? "" : ",", ntohs(local.sin_port));
    if (ports[i].peer >= portCount) die("no such peer");
  }
  printf("]}\n");
  fflush(stdout);
}

static void printUsage(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) die("getrusage");
  printf(
      "{\"event\":\"usage\",\"userUs\":%ld,\"systemUs\":%ld,\"packetsIn\":%lu,\"packetsToParties\":"
      "%lu,"
      "\"packetsToLegs\":%lu,\"sendErrors\":%lu,\"wakeups\":%lu}\n",
      usage.ru_utime.tv_sec * 1000000L + usage.ru_utime.tv_usec,
      usage.ru_stime.tv_sec * 1000000L + usage.ru_stime.tv_usec, packetsIn, packetsToParties,
      packetsToLegs, sendErrors, wakeups);
  fflush(stdout);
}

static void obey(const char* line) {
  if (strncmp(line, "port ", 5) == 0) {
    addPort(line);
  } else if (strcmp(line, "run") == 0) {
    printPorts();
  } else if (strcmp(line, "usage") == 0) {
    printUsage();
  } else {
    die(line);
  }
}

static void readCommands(void) {
  static char pending[LINE_MAX_BYTES];
  static size_t size;
  const ssize_t count = read(STDIN_FILENO, pending + size, sizeof pending - size);
  if (count <= 0) exit(0);
  size += (size_t)count;
  char* begin = pending;
  for (char* end; (end = memchr(begin, '\n', size - (size_t)(begin - pending))) != NULL;
       begin = end + 1) {
    *end = '\0';
    obey(begin);
  }
  size -= (size_t)(begin - pending);
  memmove(pending, begin, size);
}

static void sendToLegs(unsigned count) {
  for (unsigned next = 0; next < count;) {
    const int done = sendmmsg(legFd, &messages[next], count - next, 0);
    if (done > 0) {
      next += (unsigned)done;
      packetsToLegs += (unsigned)done;
    } else {
      ++next;
      ++sendErrors;
    }
  }
}

int main(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  epollFd = epoll_create1(EPOLL_CLOEXEC);
  if (epollFd < 0) die("epoll_create1");
  struct sockaddr_in any = addressOf("127.0.0.1", 0);
  legFd = openSocket(&any);
  watch(STDIN_FILENO, kStdin);
  for (unsigned i = 0; i < BATCH * LEGS; ++i) {
    vectors[i].iov_base = packets[i / LEGS];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
  }
  struct epoll_event events[BATCH];
  for (;;) {
    const int ready = epoll_wait(epollFd, events, BATCH, -1);
    unsigned queued = 0;
    ++wakeups;
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.u32 == kStdin) {
        readCommands();
        continue;
      }
      struct port* port = &ports[events[i].data.u32];
      uint8_t* packet = packets[queued / LEGS];
      const ssize_t size = recv(port->fd, packet, DATAGRAM_MAX, 0);
      if (size <= 0) continue;
      ++packetsIn;
      if (sendto(ports[port->peer].fd, packet, (size_t)size, 0,
                 (struct sockaddr*)&ports[port->peer].party,
                 sizeof ports[port->peer].party) == size) {
        ++packetsToParties;
      } else {
        ++sendErrors;
      }
      for (int leg = 0; leg < LEGS; ++leg, ++queued) {
        vectors[queued].iov_len = (size_t)size;
        messages[queued].msg_hdr.msg_name = &port->legs[leg];
      }
    }
    sendToLegs(queued);
  }
}
