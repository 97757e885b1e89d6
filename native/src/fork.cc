#include "fork.h"

#include <algorithm>

#include "clock.h"
#include "leg_socket.h"
#include "port.h"
#include "sequence.h"

namespace tandem {

namespace {

/** Between two overrun events of one fork. */
constexpr int64_t kOverrunTellNs = kNsPerSecond;
// Between two tries to send where the kernel does not let it, the first and those later on.
constexpr int64_t kHoldNs = 50 * kNsPerMs;
constexpr uint64_t kHoldGrowthMax = 8;
/** Drops in a row that a queue which is full for a moment is good for. */
constexpr uint32_t kDropsMax = 3;

uint64_t findStart(const Ring& ring, const ForkStart& from) {
  switch (from.kind) {
    case StartKind::kLive:
      return ring.head();
    case StartKind::kOldest:
      return ring.first();
    case StartKind::kSequence: {
      uint64_t index = ring.first();
      while (index < ring.head() && ring.at(index).extended < from.extended) ++index;
      return index;
    }
  }
  return ring.head();
}

}  // namespace

Fork::Fork(uint32_t id, ForkLease lease, Port& port, size_t streamIndex, LegSocket& leg,
           const Address& rtp, const Address& rtcp, std::vector<KeptOut> keptOut)
    : id_(id),
      lease_(std::move(lease)),
      port_(port),
      leg_(&leg),
      rtp_(rtp),
      rtcp_(rtcp),
      keptOut_(std::move(keptOut)),
      recent_(lease_->recent),
      judge_(port.ssrc(), sent_) {
  lease_->portSlot = static_cast<uint32_t>(port.slot());
  lease_->portId = port.id();
  lease_->streamIndex = static_cast<uint32_t>(streamIndex);
  lease_->keptOutCount = static_cast<uint32_t>(keptOut_.size());
  std::copy(keptOut_.begin(), keptOut_.end(), lease_.keptOut().begin());
}

bool Fork::isKeptOut(uint64_t extended) const {
  return std::any_of(keptOut_.begin(), keptOut_.end(), [extended](const KeptOut& range) {
    return extended >= range.first && extended <= range.last;
  });
}

void Fork::start(ShardContext& context, const ForkStart& from, std::optional<uint64_t> pausedFrom) {
  touchAll();
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
  touchAll();
  const bool pausing = pause_.isSet();
  if (pausing && !pause_.hasEnd() && from > 0) return;
  const Ring& ring = port_.ring();
  const bool isBehind = state_ == ForkState::kCatchingUp || cursor_ < ring.head();
  if (isBehind && !pausing) {
    uint64_t index = std::max(cursor_, ring.first());
    while (index < ring.head() && ring.at(index).extended < from) ++index;
    if (index > cursor_) {
      pause_.begin(index);
      return;
    }
  }
  pause_.clear();
  state_ = ForkState::kPaused;
  withholdPending();
}

void Fork::resume() {
  touchAll();
  if (pause_.isSet()) {
    pause_.end(port_.ring().head());
    return;
  }
  if (state_ != ForkState::kPaused) return;
  withholdPending();
  state_ = ForkState::kLive;
}

void Fork::end(ShardContext& context) {
  if (state_ == ForkState::kEnded) return;
  touchAll();
  state_ = ForkState::kEnded;
  if (sentPackets_ > 0) sayBye(context);
}

void Fork::setTarget(LegSocket& leg, const Address& rtp, const Address& rtcp) {
  leg_->forgetTouched(*this);
  isTouched_ = false;
  leg_ = &leg;
  touchAll();
  rtp_ = rtp;
  rtcp_ = rtcp;
  // All that was said of the other address.
  refused_.reset();
  doubtedNs_ = 0;
  unsendable_.reset();
  heldUntilNs_ = 0;
  drops_ = 0;
  recent_.clear();
  judge_.onNewTarget();
}

void Fork::withholdUntil(uint64_t index) {
  touchAll();
  const Ring& ring = port_.ring();
  for (cursor_ = std::max(cursor_, ring.first()); cursor_ < index; ++cursor_) {
    const Ring::Entry& entry = ring.at(cursor_);
    withheld_.add(entry.extended, entry.arrivalNs);
  }
}

void Fork::withholdPending() {
  if (cursor_ < port_.ring().head()) withholdUntil(port_.ring().head());
}

/** All that came before the pause is sent. */
void Fork::reachPause() {
  touchAll();
  const bool resumed = pause_.hasEnd();
  withholdUntil(resumed ? pause_.to() : port_.ring().head());
  if (!resumed) state_ = ForkState::kPaused;
  pace_.beginAnew();
  pause_.clear();
}

bool Fork::offer(ShardContext& context) {
  if (state_ == ForkState::kPaused) withholdPending();
  while (state_ == ForkState::kLive) {
    if (cursor_ >= pause_.from()) reachPause();
    if (state_ != ForkState::kLive || cursor_ >= port_.ring().head()) break;
    if (context.legSlice == 0) return false;
    if (!leg_->queue(context, *this, cursor_, false)) {
      fallBehind(context, cursor_);
      break;
    }
    --context.legSlice;
    if (state_ == ForkState::kLive) ++cursor_;
  }
  return true;
}

void Fork::enterCatchUp(ShardContext& context) {
  touch();
  state_ = ForkState::kCatchingUp;
  pace_.beginAnew();
  if (listed_) return;
  listed_ = true;
  context.catchingUp.push_back(this);
}

void Fork::fallBehind(ShardContext& context, uint64_t index) {
  if (state_ != ForkState::kLive && state_ != ForkState::kCatchingUp) return;
  cursor_ = std::min(cursor_, index);
  enterCatchUp(context);
}

void Fork::holdBack(ShardContext& context, uint64_t index) {
  heldUntilNs_ = context.monotonicNow + kHoldNs;
  fallBehind(context, index);
}

void Fork::catchUp(ShardContext& context, size_t packetsMax) {
  if (state_ != ForkState::kCatchingUp || isHeld(context)) return;
  touch();
  const Ring& ring = port_.ring();
  if (cursor_ < ring.first()) cursor_ = ring.first();
  const uint64_t end = std::min(ring.head(), pause_.from());
  for (; cursor_ < end && isKeptOut(ring.at(cursor_).extended); ++cursor_) {
    withheld_.add(ring.at(cursor_).extended, ring.at(cursor_).arrivalNs);
    touchAll();
    pace_.beginAnew();
  }
  if (cursor_ >= end) return;
  if (pace_.begins()) pace_.beginAt(ring.at(cursor_).arrivalNs, context.monotonicNow);
  const int64_t until = pace_.until(context.monotonicNow, context.catchUpRate);
  // One is enough to see whether the kernel takes it.
  for (size_t left = unsendable_ ? 1 : packetsMax;
       left > 0 && cursor_ < end && ring.at(cursor_).arrivalNs <= until; --left) {
    // Skipped in the next tick, and the time it took is not waited for.
    if (isKeptOut(ring.at(cursor_).extended)) return;
    if (!leg_->queue(context, *this, cursor_, true)) {
      fallBehind(context, cursor_);
      return;
    }
    context.legSlice -= std::min<size_t>(context.legSlice, 1);
    if (pace_.begins()) return;
    ++cursor_;
  }
}

bool Fork::settle(ShardContext& context) {
  if (state_ == ForkState::kCatchingUp && cursor_ >= pause_.from()) reachPause();
  if (state_ == ForkState::kCatchingUp) {
    if (cursor_ < port_.ring().head()) return false;
    touch();
    state_ = ForkState::kLive;
    context.events.emit({.type = Event::Type::kForkLive, .id = id_, .address = {}});
  }
  listed_ = false;
  return true;
}

void Fork::onSent(ShardContext& context, const Ring::Entry& entry, bool replayed) {
  const int64_t now = context.monotonicNow;
  if (lastSentMonotonicNs_ == 0 || now - lastSentMonotonicNs_ > kForkSilenceNs)
    sendingSinceNs_ = nowNs();
  lastSentMonotonicNs_ = now;
  if (unsendable_ || replayed) accountHasChanged_ = true;
  unsendable_.reset();
  drops_ = 0;
  touch();
  ++sentPackets_;
  sentBytes_ += entry.size;
  sentOctets_ += static_cast<uint64_t>(entry.size - entry.headerBytes);
  if (sent_.add(entry.extended, entry.arrivalNs)) accountHasChanged_ = true;
  recent_.add(entry.extended, now);
  if (replayed) replayed_.add(entry.extended, entry.arrivalNs);
}

void Fork::onUnsendable(ShardContext& context, uint64_t index, int error) {
  touchAll();
  ++sendErrors_;
  if (unsendable_) {
    ++unsendable_->count;
    unsendable_->error = error;
  } else {
    const uint64_t extended = port_.ring().at(index).extended;
    unsendable_ = ForkUnsendable{nowNs(), extended, 1, error};
  }
  holdBack(context, index);
  heldUntilNs_ = context.monotonicNow +
                 kHoldNs * static_cast<int64_t>(std::min(unsendable_->count, kHoldGrowthMax));
}

void Fork::onDropped(ShardContext& context, uint64_t index, int error) {
  touch();
  if (++drops_ > kDropsMax) {
    onUnsendable(context, index, error);
    ++context.counters.sendErrors;
  } else {
    holdBack(context, index);
  }
}

void Fork::onUnreachable(ShardContext& context, std::optional<uint16_t> sequence) {
  touchAll();
  const int64_t now = nowNs();
  const uint64_t quoted = sequence && !sent_.empty() ? extendNear(sent_.last(), *sequence) : 0;
  // Anybody can send ICMP; only who saw the packet on its way knows what was in it.
  if (!sequence || !sent_.contains(quoted) || !recent_.has(quoted, context.monotonicNow)) {
    doubtedNs_ = now;
    return;
  }
  if (refused_) {
    ++refused_->count;
    return;
  }
  refused_ = ForkRefusal{now, quoted, 1};
  context.events.emit({.type = Event::Type::kForkRefused, .id = id_, .address = {}, .atNs = now});
}

void Fork::onRtcp(ShardContext& context, uint8_t* data, size_t size, int64_t arrivalNs) {
  touchAll();
  // What it names before what it counts: then the counts need not prove anything.
  judge_.onRanges(data, size);
  forEachReportBlock(data, size, [&](const ReportBlock& block, uint32_t reporter) {
    onReceiverReport(context, block, reporter, arrivalNs);
  });
}

void Fork::onReceiverReport(ShardContext& context, const ReportBlock& block, uint32_t reporter,
                            int64_t arrivalNs) {
  const auto judged = judge_.onReport(block, reporter);
  if (!judged) return;
  ReceiverReport report{};
  report.atNs = arrivalNs;
  report.highest = judged->highest;
  report.fractionLost = judged->fractionLost;
  const uint32_t hz = port_.clockRates().of(port_.normaliser().payloadType());
  report.jitterMs = 1000.0 * block.jitter / hz;
  if (block.lastSenderReport != 0) {
    // RFC 3550 section 6.4.1: A - LSR - DLSR, in 1/65,536 s. A clock step may make it negative.
    const auto trip = static_cast<int32_t>(toCompactNtp(arrivalNs) - block.lastSenderReport -
                                           block.delaySinceLast);
    report.roundTripMs = std::max(0.0, trip * 1000.0 / 65536.0);
  }
  const bool settlesNow = state_ == ForkState::kEnded && settles(report, block.lastSenderReport);
  // One that was under way before the recorder knew of the end says less.
  if (receiverReport_ && receiverReport_->isFinal && !report.isFinal) return;
  receiverReport_ = report;
  ++receiverReports_;
  // A recorder whose media sockets are gone may go on reporting: it lives, and gets nothing.
  if (!judged->isDeaf) {
    ++hearingReports_;
    heardNs_ = arrivalNs;
    sentBeforeReport_ = sentPackets_;
  }
  if (!settlesNow || rtcpTimes_.isSettled()) return;
  rtcpTimes_.settle();
  context.events.emit({.type = Event::Type::kForkEnded, .id = id_, .address = {}});
}

bool Fork::settles(ReceiverReport& report, uint32_t lastSenderReport) const {
  const auto answer = rtcpTimes_.onAnswer(lastSenderReport, report.highest >= sent_.highest());
  report.isFinal = answer.isFinal;
  // What it names may take several datagrams, and ends with the highest.
  return answer.settles && (!judge_.reportsRanges() || judge_.confirmed().contains(report.highest));
}

void Fork::tick(ShardContext& context) {
  const int64_t now = context.monotonicNow;
  if (overrunUntold_ > 0 && now - overrunToldNs_ >= kOverrunTellNs) {
    context.events.emit(
        {.type = Event::Type::kForkOverrun, .id = id_, .address = {}, .packets = overrunUntold_});
    overrunUntold_ = 0;
    overrunToldNs_ = now;
    touchAll();
  }
  if (context.reportSlice == 0) return;
  if (state_ == ForkState::kEnded) {
    if (rtcpTimes_.byeIsDue(now)) sayBye(context);
    return;
  }
  if (state_ == ForkState::kPaused || sentPackets_ == 0 || !rtcpTimes_.reportIsDue(now)) return;
  rtcpTimes_.onReport(now, context.rtcpIntervalNs, context.random());
  touchAll();
  sendReport(context, false);
}

void Fork::sayBye(ShardContext& context) {
  rtcpTimes_.onBye(sendReport(context, true), context.monotonicNow);
  touchAll();
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
  context.reportSlice -= std::min<size_t>(context.reportSlice, 1);
  return toCompactNtp(now);
}

}  // namespace tandem
