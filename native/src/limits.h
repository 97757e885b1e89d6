#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem {

inline constexpr uint32_t kThreadsMax = 64;
inline constexpr size_t kPortsMax = 8192;
inline constexpr size_t kForksPerPortMax = 8;
inline constexpr size_t kForksMax = 16384;
inline constexpr size_t kCapturesMax = 4096;
inline constexpr size_t kStreamsPerCaptureMax = 8;
/** Ports or forks that are asked for together. */
inline constexpr size_t kIdsPerListMax = 64;
/** Ranges that are reported in one visit to a thread, or those of one stream or fork more: between
 * two visits the parties' sockets are looked at. */
inline constexpr size_t kRangesPerVisit = 8192;
inline constexpr size_t kEventQueueMax = 4096;
/** Streams of a call that have leg sockets of their own: party a and party b. */
inline constexpr size_t kLegStreams = 2;

/** Largest datagram taken. RTP audio stays within an MTU; what is larger is refused as `oversize`.
 */
inline constexpr size_t kDatagramMax = 16384;
/** Datagrams read from one socket in one wake-up. More wait for the next, so that no socket starves
 * another. */
inline constexpr size_t kReceiveBatch = 16;
/** Batches read at most from a socket that is about to be closed. */
inline constexpr size_t kDrainMax = 256;
/** Sockets looked at in one wake-up: so many parties wait while the legs are served. */
inline constexpr size_t kReadyMax = 64;
/** Times that a fork says BYE to a recorder that does not report. */
inline constexpr size_t kByesMax = 4;
/** Packets of one port that may be in mediasoup at a time and are sent on when it does not give
 * them back: more than a fifth of a second has. */
inline constexpr size_t kHandedOverMax = 64;
/** Messages in one sendmmsg. The kernel takes up to 1,024 (UIO_MAXIOV). */
inline constexpr size_t kSendBatch = 64;
/** Packets to legs in one wake-up, or few more: then the parties' sockets are looked at again. */
inline constexpr size_t kLegSlice = 128;
/** Packets that all forks of a thread which are behind may send between two looks at their pace,
 * and one of them. */
inline constexpr size_t kCatchUpBudget = 1024;
inline constexpr size_t kCatchUpBurst = 64;
/** Sender reports in one tick, if not more are due on the average. */
inline constexpr size_t kReportSlice = 32;

/** Connections to the channel that have not said who they are. */
inline constexpr int kConnectionsMax = 8;
inline constexpr size_t kChannelReadBytes = 65536;
/** Said to a control that has not read it: with more, its commands wait and events are dropped. */
inline constexpr size_t kChannelPendingMax = 1048576;

inline constexpr int kReceiveBufferBytes = 256 * 1024;
inline constexpr int kSharedBufferBytes = 4 * 1024 * 1024;

/** Of one stream: two hours of audio of which every tenth packet is missing are 36,000. */
inline constexpr size_t kRangesMax = 65536;
/** Spans of numbers that a recorder has confirmed, or denied. */
inline constexpr size_t kSpansMax = 65536;
/** Copies out of order that a fork remembers until they are judged. */
inline constexpr size_t kLateCopiesMax = 4096;
/** Addresses of recorders that a leg socket remembers after their forks have gone. */
inline constexpr size_t kFormerPeersMax = 4096;
/** Ranges that a fork never sends. */
inline constexpr size_t kKeptOutMax = 64;
inline constexpr size_t kSsrcChangesMax = 64;

/** Packets a second that a ring has index entries for. */
inline constexpr size_t kRingPacketsPerSecond = 200;

}  // namespace tandem
