#include "fork.h"

#include <algorithm>

#include "clock.h"
#include "leg_socket.h"
#include "port.h"
#include "sequence.h"

namespace tandem {

namespace {

/** Packets that one fork may send in one tick while it catches up. */
constexpr size_t kCatchUpBurst = 64;
/** Between two overrun events of one fork. */
constexpr int64_t kOverrunTellNs = kNsPerSecond;
/** At least so long after a BYE it is repeated, with the tick that comes next. */
constexpr int64_t kByeAgainNs = 25 * kNsPerMs;
/** A pause of so long ends what is sent without one. */
constexpr int64_t kSilenceNs = kNsPerSecond;

uint64_t findStart(const Ring& ring, const ForkStart& from) {
  uint64_t index = ring.first();
  switch (from.kind) {
    case StartKind::kLive:
      return ring.head();
    case StartKind::kOldest:
      return index;
    case StartKind::kTime:
      while (index < ring.head() && ring.at(index).arrivalNs < from.atNs) ++index;
      return index;
    case StartKind::kSequence:
      while (index < ring.head() && ring.at(index).extended < from.extended) ++index;
      return index;
  }
  return ring.head();
}

}  // namespace

Fork::Fork(uint32_t id, Port& port, LegSocket& leg, const Address& rtp, const Address& rtcp,
           std::vector<KeptOut> keptOut)
    : id_(id), port_(port), leg_(&leg), rtp_(rtp), rtcp_(rtcp), keptOut_(std::move(keptOut)) {}

bool Fork::isKeptOut(uint64_t extended) const {
  return std::any_of(keptOut_.begin(), keptOut_.end(), [extended](const KeptOut& range) {
    return extended >= range.first && extended <= range.last;
  });
}

void Fork::start(ShardContext& context, const ForkStart& from, std::optional<uint64_t> pausedFrom) {
  const Ring& ring = port_.ring();
  cursor_ = findStart(ring, from);
  if (from.kind == StartKind::kSequence) {
    // What was asked for and had left the ring already is lost in us, as much as what leaves it
    // later.
    const uint64_t oldest =
        ring.empty() ? port_.normaliser().highest() + 1 : ring.at(ring.first()).extended;
    if (port_.normaliser().started() && from.extended < oldest) {
      for (const Range& range : port_.received().within(from.extended, oldest - 1)) {
        overrun_.addRange(range);
        overrunUntold_ += range.last - range.first + 1;
      }
    }
  }
  state_ = ForkState::kLive;
  if (from.kind != StartKind::kLive) enterCatchUp(context);
  if (pausedFrom) pause(*pausedFrom);
}

void Fork::pause(uint64_t from) {
  if (state_ == ForkState::kPaused || state_ == ForkState::kEnded) return;
  const bool pausing = pauseAt_ != kNever;
  if (pausing && resumeAt_ == kNever && from > 0) return;
  if (state_ == ForkState::kCatchingUp && !pausing) {
    const Ring& ring = port_.ring();
    uint64_t index = std::max(cursor_, ring.first());
    while (index < ring.head() && ring.at(index).extended < from) ++index;
    if (index > cursor_) {
      pauseAt_ = index;
      return;
    }
  }
  pauseAt_ = kNever;
  resumeAt_ = kNever;
  state_ = ForkState::kPaused;
  withholdPending();
}

void Fork::resume() {
  if (pauseAt_ != kNever) {
    resumeAt_ = std::min(resumeAt_, port_.ring().head());
    return;
  }
  if (state_ != ForkState::kPaused) return;
  withholdPending();
  state_ = ForkState::kLive;
}

void Fork::end(ShardContext& context) {
  if (state_ == ForkState::kEnded) return;
  state_ = ForkState::kEnded;
  if (sentPackets_ > 0) sayBye(context);
}

void Fork::sayBye(ShardContext& context) {
  byes_[byeCount_++] = sendReport(context, true);
  nextByeNs_ = context.monotonicNow + kByeAgainNs;
}

void Fork::setTarget(LegSocket& leg, const Address& rtp, const Address& rtcp) {
  leg_ = &leg;
  rtp_ = rtp;
  rtcp_ = rtcp;
  refusalTold_ = false;
}

void Fork::withholdUntil(uint64_t index) {
  const Ring& ring = port_.ring();
  for (cursor_ = std::max(cursor_, ring.first()); cursor_ < index; ++cursor_) {
    const Ring::Entry& entry = ring.at(cursor_);
    withheld_.add(entry.extended, entry.arrivalNs);
  }
}

void Fork::withholdPending() { withholdUntil(port_.ring().head()); }

/** All that came before the pause is sent. */
void Fork::reachPause() {
  const bool resumed = resumeAt_ != kNever;
  withholdUntil(resumed ? resumeAt_ : port_.ring().head());
  if (!resumed) state_ = ForkState::kPaused;
  repace_ = true;
  pauseAt_ = kNever;
  resumeAt_ = kNever;
}

void Fork::offer(ShardContext& context) {
  if (state_ == ForkState::kPaused) {
    withholdPending();
    return;
  }
  const uint64_t head = port_.ring().head();
  while (state_ == ForkState::kLive && cursor_ < head) {
    if (!leg_->queue(context, *this, cursor_, false)) {
      fallBehind(context, cursor_);
      return;
    }
    if (state_ == ForkState::kLive) ++cursor_;
  }
}

void Fork::enterCatchUp(ShardContext& context) {
  state_ = ForkState::kCatchingUp;
  repace_ = true;
  if (listed_) return;
  listed_ = true;
  context.catchingUp.push_back(this);
}

void Fork::fallBehind(ShardContext& context, uint64_t index) {
  if (state_ != ForkState::kLive && state_ != ForkState::kCatchingUp) return;
  cursor_ = std::min(cursor_, index);
  enterCatchUp(context);
}

void Fork::paceFromHere(ShardContext& context) {
  paceArrivalNs_ = port_.ring().at(cursor_).arrivalNs;
  paceMonotonicNs_ = context.monotonicNow;
  repace_ = false;
}

void Fork::catchUp(ShardContext& context) {
  if (state_ != ForkState::kCatchingUp) return;
  const Ring& ring = port_.ring();
  if (cursor_ < ring.first()) cursor_ = ring.first();
  const uint64_t end = std::min(ring.head(), pauseAt_);
  for (; cursor_ < end && isKeptOut(ring.at(cursor_).extended); ++cursor_) {
    withheld_.add(ring.at(cursor_).extended, ring.at(cursor_).arrivalNs);
    repace_ = true;
  }
  if (cursor_ >= end) return;
  if (repace_) paceFromHere(context);
  const auto paced = static_cast<int64_t>(
      static_cast<double>(context.monotonicNow - paceMonotonicNs_) * context.catchUpRate);
  const int64_t until = paceArrivalNs_ + paced;
  for (size_t i = 0; i < kCatchUpBurst && cursor_ < end && ring.at(cursor_).arrivalNs <= until;
       ++i) {
    // Skipped in the next tick, and the time it took is not waited for.
    if (isKeptOut(ring.at(cursor_).extended)) return;
    if (!leg_->queue(context, *this, cursor_, true)) {
      fallBehind(context, cursor_);
      return;
    }
    if (repace_) return;
    ++cursor_;
  }
}

bool Fork::settle(ShardContext& context) {
  if (state_ == ForkState::kCatchingUp && cursor_ >= pauseAt_) reachPause();
  if (state_ == ForkState::kCatchingUp) {
    if (cursor_ < port_.ring().head()) return false;
    state_ = ForkState::kLive;
    context.events.emit({.type = Event::Type::kForkLive, .id = id_, .address = {}});
  }
  listed_ = false;
  return true;
}

void Fork::onSent(ShardContext& context, const Ring::Entry& entry, bool replayed) {
  if (lastSentMonotonicNs_ == 0 || context.monotonicNow - lastSentMonotonicNs_ > kSilenceNs)
    sendingSinceNs_ = nowNs();
  lastSentMonotonicNs_ = context.monotonicNow;
  ++sentPackets_;
  sentBytes_ += entry.size;
  sentOctets_ += static_cast<uint64_t>(entry.size - entry.headerBytes);
  lastSent_ = entry.extended;
  highestSent_ = std::max(highestSent_, entry.extended);
  sent_.add(entry.extended, entry.arrivalNs);
  if (replayed) replayed_.add(entry.extended, entry.arrivalNs);
}

void Fork::onRefused(ShardContext& context, std::optional<uint16_t> sequence) {
  const int64_t now = nowNs();
  if (refused_) {
    ++refused_->count;
  } else {
    refused_ = ForkRefusal{now, sequence ? extendNear(lastSent_, *sequence) : lastSent_, 1};
  }
  if (refusalTold_) return;
  refusalTold_ = true;
  context.events.emit({.type = Event::Type::kForkRefused, .id = id_, .address = {}, .atNs = now});
}

void Fork::onReceiverReport(ShardContext& context, const ReportBlock& block, int64_t arrivalNs) {
  if (block.ssrc != port_.ssrc() || sentPackets_ == 0) return;
  ReceiverReport report{};
  report.atNs = arrivalNs;
  // The recorder counts cycles from zero, we from one and from before it joined: the low bits say
  // which packet it was.
  report.highest = extendNear(lastSent_, static_cast<uint16_t>(block.highestSequence));
  report.fractionLost = block.fractionLost / 256.0;
  const uint32_t hz = port_.clockRates().of(port_.normaliser().payloadType());
  report.jitterMs = 1000.0 * block.jitter / hz;
  if (block.lastSenderReport != 0) {
    // RFC 3550 section 6.4.1: A - LSR - DLSR, in 1/65,536 s. A clock step may make it negative.
    const auto trip = static_cast<int32_t>(toCompactNtp(arrivalNs) - block.lastSenderReport -
                                           block.delaySinceLast);
    report.roundTripMs = std::max(0.0, trip * 1000.0 / 65536.0);
  }
  // One that was under way before the recorder knew of the end says less.
  if (state_ == ForkState::kEnded) judgeFinal(context, report, block.lastSenderReport);
  if (receiverReport_ && receiverReport_->isFinal && !report.isFinal) return;
  receiverReport_ = report;
  ++receiverReports_;
  sentBeforeReport_ = sentPackets_;
}

void Fork::judgeFinal(ShardContext& context, ReceiverReport& report, uint32_t lastSenderReport) {
  const bool hasLast = report.highest >= highestSent_;
  const auto end = byes_.begin() + static_cast<std::ptrdiff_t>(byeCount_);
  const auto bye = std::find(byes_.begin(), end, lastSenderReport);
  // A recorder that does not echo sender reports is given until the BYE is repeated.
  const bool answersFirst = bye == byes_.begin() && byeCount_ > 0;
  const bool answersLater =
      lastSenderReport == 0 ? byeCount_ > 1 : bye != end && bye != byes_.begin();
  report.isFinal = hasLast || answersFirst || answersLater;
  // A BYE may overtake the media that was sent before it, as they have different ports: what is
  // missing behind the highest packet is held to be lost when a later BYE is answered the same way.
  if (settled_ || !(hasLast || answersLater)) return;
  settled_ = true;
  context.events.emit({.type = Event::Type::kForkEnded, .id = id_, .address = {}});
}

void Fork::tick(ShardContext& context) {
  if (overrunUntold_ > 0 && context.monotonicNow - overrunToldNs_ >= kOverrunTellNs) {
    context.events.emit(
        {.type = Event::Type::kForkOverrun, .id = id_, .address = {}, .packets = overrunUntold_});
    overrunUntold_ = 0;
    overrunToldNs_ = context.monotonicNow;
  }
  if (state_ == ForkState::kEnded) {
    const bool again = byeCount_ > 0 && byeCount_ < kByesMax && !settled_;
    if (again && context.monotonicNow >= nextByeNs_) sayBye(context);
    return;
  }
  if (state_ == ForkState::kPaused || sentPackets_ == 0 || context.monotonicNow < nextReportNs_)
    return;
  nextReportNs_ = context.monotonicNow + context.rtcpIntervalNs;
  sendReport(context, false);
}

uint32_t Fork::sendReport(ShardContext& context, bool bye) {
  uint8_t packet[kRtcpBuildBytes];
  const int64_t now = nowNs();
  const SenderInfo info{port_.ssrc(), toNtp(now), port_.normaliser().timestampAt(now),
                        static_cast<uint32_t>(sentPackets_), static_cast<uint32_t>(sentOctets_)};
  size_t size = writeSenderReport(packet, info);
  size += writeSourceDescription(packet + size, port_.ssrc(), context.cname);
  if (bye) size += writeBye(packet + size, port_.ssrc());
  leg_->sendRtcp(context, *this, packet, size);
  return toCompactNtp(now);
}

ForkReport Fork::report() const {
  ForkReport report;
  report.forkId = id_;
  report.state = state_;
  report.sentPackets = sentPackets_;
  report.sentBytes = sentBytes_;
  report.sendErrors = sendErrors_;
  report.sent = sent_.list();
  report.replayed = replayed_.list();
  report.overrun = overrun_.list();
  report.withheld = withheld_.list();
  report.refused = refused_;
  report.receiverReport = receiverReport_;
  report.receiverReports = receiverReports_;
  return report;
}

ForkSigns Fork::signs() const {
  ForkSigns signs;
  signs.forkId = id_;
  signs.receiverReports = receiverReports_;
  signs.sentSinceReport = sentPackets_ - sentBeforeReport_;
  const bool isSending =
      lastSentMonotonicNs_ != 0 && monotonicNs() - lastSentMonotonicNs_ < kSilenceNs;
  signs.sendingSinceNs = isSending ? sendingSinceNs_ : 0;
  signs.refusedNs = refused_ ? refused_->atNs : 0;
  signs.isLive = state_ == ForkState::kLive && cursor_ == port_.ring().head();
  signs.isSettled = settled_;
  if (receiverReport_) {
    signs.reportedNs = receiverReport_->atNs;
    signs.fractionLost = receiverReport_->fractionLost;
  }
  return signs;
}

}  // namespace tandem
