#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "address.h"
#include "ranges.h"
#include "refusal.h"
#include "relay_watch.h"

namespace tandem {

// What the edge tells about its objects: copies, made on the object's thread.

struct SsrcChange {
  int64_t atNs;
  uint32_t from;
  uint32_t to;
  uint64_t extended;
};

struct StreamReport {
  uint32_t ssrc = 0;
  std::optional<uint32_t> sourceSsrc;
  std::optional<Address> latched;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t duplicates = 0;
  uint64_t reordered = 0;
  RefusalCounts refused;
  UnforwardedCounts unforwarded;
  uint64_t kernelDrops = 0;
  std::vector<Range> received;
  uint64_t rangesJoined = 0;
  std::optional<uint64_t> exactFrom;
  /** Gaps in `received` that the kernel's drops at our own socket account for. */
  std::vector<Range> dropped;
  std::vector<SsrcChange> ssrcChanges;
  uint64_t ssrcChangeCount = 0;
  double packetMs = 20;
  std::optional<uint8_t> lastPayloadType;
  uint64_t egressPackets = 0;
  uint64_t egressErrors = 0;
  int64_t lastEgressNs = 0;
  std::optional<uint64_t> ringFirst;
};

/** Since when nothing came back out of mediasoup, and when the port began to go around it. */
struct RelayStall {
  int64_t sinceNs;
  int64_t atNs;
};

struct LastHeard {
  uint32_t portId;
  /** 0: nothing yet. */
  int64_t atNs;
};

/** Of one port. */
struct RelayStallReport {
  uint32_t portId;
  RelayStall stall;
};

enum class ForkState : uint8_t { kCatchingUp, kLive, kPaused, kEnded };

struct ForkRefusal {
  int64_t atNs;
  uint64_t extended;
  uint64_t count;
};

/** The kernel does not take what is sent to the recorder. */
struct ForkUnsendable {
  int64_t atNs;
  uint64_t extended;
  uint64_t count;
  int error;
};

struct ReceiverReport {
  int64_t atNs;
  uint64_t highest;
  double fractionLost;
  double jitterMs;
  std::optional<double> roundTripMs;
  /** The recorder knew that nothing more would come. */
  bool isFinal = false;
};

struct ForkReport {
  uint32_t forkId = 0;
  ForkState state = ForkState::kEnded;
  uint64_t sentPackets = 0;
  uint64_t sentBytes = 0;
  uint64_t sendErrors = 0;
  std::vector<Range> sent;
  std::vector<Range> replayed;
  std::vector<Range> overrun;
  std::vector<Range> withheld;
  std::optional<ForkRefusal> refused;
  std::optional<ForkUnsendable> unsendable;
  std::optional<ReceiverReport> receiverReport;
  uint64_t receiverReports = 0;
  bool reportsRanges = false;
  std::vector<Range> confirmed;
  std::vector<Range> denied;
  uint64_t lostAtLeast = 0;
  uint64_t lostAtMost = 0;
};

inline size_t rangesIn(const StreamReport& report) {
  return report.received.size() + report.dropped.size();
}
inline size_t rangesIn(const ForkReport& report) {
  return report.sent.size() + report.replayed.size() + report.overrun.size() +
         report.withheld.size() + report.confirmed.size() + report.denied.size();
}

/** What streams had so far, and what those of their forks had that were removed at the same moment.
 */
struct Stock {
  std::vector<StreamReport> streams;
  std::vector<ForkReport> forks;
};

/** What is looked at often, of every fork: kept small. */
struct ForkSigns {
  uint32_t forkId = 0;
  /** 0: no receiver report yet. */
  int64_t reportedNs = 0;
  uint64_t receiverReports = 0;
  double fractionLost = 0;
  uint64_t sentSinceReport = 0;
  // Zero where there is none.
  int64_t sendingSinceNs = 0;
  int64_t refusedNs = 0;
  int64_t doubtedNs = 0;
  int64_t unsendableNs = 0;
  bool isLive = false;
  bool isSettled = false;
};

struct CaptureStreamReport {
  std::string label;
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t rtcpPackets = 0;
  int64_t lostPackets = 0;
  std::optional<uint32_t> ssrc;
  int64_t firstNs = 0;
  int64_t lastNs = 0;
  uint64_t kernelDrops = 0;
  RefusalCounts refused;
  uint64_t refusedAfterLast = 0;
};

struct CaptureReport {
  uint32_t captureId = 0;
  uint64_t fileBytes = 0;
  int failed = 0;
  uint32_t restored = 0;
  std::vector<CaptureStreamReport> streams;
};

struct Counters {
  uint64_t wakeups = 0;
  uint64_t packetsIn = 0;
  uint64_t bytesIn = 0;
  uint64_t packetsToParties = 0;
  uint64_t packetsToRelay = 0;
  uint64_t packetsFromRelay = 0;
  uint64_t packetsToLegs = 0;
  uint64_t rtcpIn = 0;
  uint64_t rtcpOut = 0;
  uint64_t icmpErrors = 0;
  uint64_t sendErrors = 0;
  uint64_t kernelDrops = 0;
  uint64_t droppedEvents = 0;
  RefusalCounts refused;
  UnforwardedCounts unforwarded;
  uint64_t ports = 0;
  uint64_t forks = 0;
  uint64_t captures = 0;

  void add(const Counters& other) {
    wakeups += other.wakeups;
    packetsIn += other.packetsIn;
    bytesIn += other.bytesIn;
    packetsToParties += other.packetsToParties;
    packetsToRelay += other.packetsToRelay;
    packetsFromRelay += other.packetsFromRelay;
    packetsToLegs += other.packetsToLegs;
    rtcpIn += other.rtcpIn;
    rtcpOut += other.rtcpOut;
    icmpErrors += other.icmpErrors;
    sendErrors += other.sendErrors;
    kernelDrops += other.kernelDrops;
    droppedEvents += other.droppedEvents;
    refused.add(other.refused);
    unforwarded.add(other.unforwarded);
    ports += other.ports;
    forks += other.forks;
    captures += other.captures;
  }
};

}  // namespace tandem
