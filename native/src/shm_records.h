#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "address.h"
#include "clock_rates.h"
#include "fork_pace.h"
#include "fork_pause.h"
#include "fork_rtcp.h"
#include "handed_over.h"
#include "latch.h"
#include "limits.h"
#include "normaliser.h"
#include "peer_source.h"
#include "ranges.h"
#include "receive_state.h"
#include "recently_sent.h"
#include "report_judge.h"
#include "reports.h"
#include "sent_log.h"
#include "shm_cell.h"
#include "shm_list.h"
#include "spans.h"

namespace tandem {

// What the edge knows of a port and of a fork, as it lies in shared memory. Whoever changes a size
// or a meaning here gives the layout another version (shm_layout.h). What is read by others than a
// successor is of plain numbers, of which any bits are some value.

/** Something that may be absent. */
struct SharedAddress {
  Address address;
  uint32_t isSet = 0;

  static SharedAddress of(const std::optional<Address>& from) {
    SharedAddress to;
    if (from) to = {*from, 1};
    return to;
  }
  std::optional<Address> get() const {
    const bool isRight = address.family() == AF_INET || address.family() == AF_INET6;
    return isSet != 0 && isRight ? std::optional(address) : std::nullopt;
  }
};

struct SharedNumber {
  uint64_t value = 0;
  uint64_t isSet = 0;

  static SharedNumber of(const std::optional<uint64_t>& from) {
    return {from.value_or(0), from ? 1u : 0u};
  }
  std::optional<uint64_t> get() const { return isSet != 0 ? std::optional(value) : std::nullopt; }
};

struct RangesRecord {
  ListRecord<Range> list;
  TimeLine line;
  uint64_t joinedCount;
  SharedNumber exactFrom;
};

/** What changes with each packet that comes. */
struct PortIngress {
  /** The newest batch of the thread that is in here. */
  uint64_t batch;
  uint64_t packets;
  uint64_t bytes;
  uint64_t duplicates;
  uint64_t reordered;
  uint64_t kernelDrops;
  /** 0: nothing came yet. */
  int64_t lastNs;
  uint64_t ringFirst;
  uint64_t ringHead;
  /** Of the oldest packet in the ring, if there is one. */
  uint64_t ringFirstNumber;
  /** The highest number, from the first packet on. */
  uint64_t highest;
  RangesRecord received;
  uint32_t sourceSsrc;
  uint32_t payloadType;
  /** 1 from the first packet on. */
  uint64_t started;
  double packetMs;
  ReadState rtpReads;
  uint64_t dropsUntold;
  HandedOver::Bounds handedOver;
  NormaliserState normaliser;
};

/** What changes seldom. */
struct PortAccount {
  RangesRecord dropped;
  ListRecord<SsrcChange> changes;
  uint64_t changeCount;
  SharedAddress latched;
  uint64_t hasStall;
  RelayStall stall;
  ReadState rtcpReads;
  int64_t lastMoveToldNs;
  int64_t lastChangeToldNs;
  PeerSource source;
};

/** What it was told. */
struct PortSettings {
  uint64_t hasRemote;
  uint64_t send;
  /** As `RouteKind`, of the route as it is now; the peer by id, 0: none. */
  uint32_t route;
  uint32_t peerId;
  SharedAddress relay;
  std::bitset<128> payloadTypes;
  ClockRates clockRates;
};

/** Towards the party, out of mediasoup. */
struct PortEgress {
  /** The newest batch of the thread that is in here. */
  uint64_t batch;
  NormaliserState normaliser;
  /** Whose packets these were, by id, and which of them is the oldest that may still come; 0:
   * nobody's. Stands beside the rest of what came of one, so that none is taken for two. */
  uint64_t handedOverBy;
  uint64_t handedOverFirst;
};

struct PortSlot {
  // As it was opened.
  uint32_t ssrc;
  uint32_t egressSsrc;
  uint32_t latchPolicy;
  uint32_t reserved;
  SharedAddress rtp;
  SharedAddress rtcp;

  StagedCell<PortIngress> ingress;
  /** Everything before it may have left the ring. */
  SharedCount ringFloor;
  /** Times that a part of a list was given back. */
  SharedCount moves;
  SharedCount egressPackets;
  SharedCount egressErrors;
  SharedCount lastEgressNs;
  SharedCount refused[static_cast<size_t>(Refusal::kCount)];
  SharedCount unforwarded[static_cast<size_t>(Unforwarded::kCount)];
  Cell<PortAccount> account;
  Cell<PortEgress> egress;
  /** Those between the bounds in `ingress`. */
  HandedOver::Memory handedOver;
  Cell<PortSettings> settings;
};

/** A pause of so long ends what is sent without one. */
inline constexpr int64_t kForkSilenceNs = kNsPerSecond;

/** What is looked at often of that which changes often. */
struct ForkPulse {
  uint64_t cursor;
  /** As `ForkState`. */
  uint64_t state;
  uint64_t sentPackets;
  int64_t sendingSinceNs;
  int64_t lastSentMonotonicNs;
};

/** What changes with each packet that is sent. */
struct ForkProgress {
  ForkPulse pulse;
  uint64_t sentBytes;
  uint64_t sentOctets;
  uint64_t sendErrors;
  /** The newest flush of its leg that is in here. */
  uint64_t flush;
  RangesRecord sent;
  uint64_t sentLast;
  PendingPause pause;
  ForkPace pace;
  int64_t heldUntilNs;
  uint64_t drops;
};

/** What is looked at often. */
struct ForkEvidence {
  uint64_t hearingReports;
  int64_t heardNs;
  uint64_t sentBeforeReport;
  double fractionLost;
  // Zero where there is none.
  int64_t refusedNs;
  int64_t doubtedNs;
  int64_t unsendableNs;
  uint64_t isSettled;
};

struct ForkReceiverReport {
  int64_t atNs;
  uint64_t highest;
  double fractionLost;
  double jitterMs;
  double roundTripMs;
  uint32_t hasRoundTrip;
  uint32_t isFinal;
};

/** What changes seldom. */
struct ForkAccount {
  ForkEvidence evidence;
  SharedAddress rtp;
  SharedAddress rtcp;
  RangesRecord replayed;
  RangesRecord overrun;
  RangesRecord withheld;
  ListRecord<SentLog::Late> late;
  uint64_t knownFrom;
  ListRecord<Span> confirmed;
  ListRecord<Span> denied;
  JudgeRecord judge;
  uint64_t receiverReports;
  uint64_t hasReceiverReport;
  ForkReceiverReport receiverReport;
  uint64_t hasRefused;
  ForkRefusal refused;
  uint64_t hasUnsendable;
  ForkUnsendable unsendable;
  uint64_t overrunUntold;
  int64_t overrunToldNs;
  ForkRtcp rtcpTimes;
};

/** Extended sequence numbers, inclusive. */
struct KeptOut {
  uint64_t first;
  uint64_t last;
};

struct ForkSlot {
  // As it was added.
  uint32_t portSlot;
  uint32_t portId;
  uint32_t streamIndex;
  uint32_t keptOutCount;

  Cell<ForkProgress> progress;
  SharedCount moves;
  Cell<ForkAccount> account;
  RecentlySent recent;
};

}  // namespace tandem
