#include "tables.h"

#include <memory>

#include "arrival_clock.h"
#include "error.h"
#include "fork_rtcp.h"
#include "ingress_account.h"
#include "js_read.h"
#include "latch.h"
#include "normaliser.h"
#include "pace_round.h"
#include "peer_source.h"
#include "ranges.h"
#include "recently_sent.h"
#include "tables_memory.h"

namespace tandem {

namespace {

/** Rows of a table of numbers, as `[...][]`. */
template <typename Row>
Napi::Value eachRow(const Napi::CallbackInfo& info, const Napi::Value& table, Row row) {
  const auto rows = table.As<Napi::Array>();
  Napi::Array results = Napi::Array::New(info.Env(), rows.Length());
  for (uint32_t i = 0; i < rows.Length(); ++i) {
    const auto cells = rows.Get(i).As<Napi::Array>();
    results.Set(
        i, row([&cells](uint32_t column) { return cells.Get(column).ToNumber().DoubleValue(); }));
  }
  return results;
}

Napi::Array rowOf(Napi::Env env, std::initializer_list<double> cells) {
  Napi::Array row = Napi::Array::New(env, cells.size());
  uint32_t i = 0;
  for (const double cell : cells) row.Set(i++, cell);
  return row;
}

int64_t fromMs(double ms) { return static_cast<int64_t>(ms * kNsPerMs); }

/** Rows of ssrc, sequence, timestamp, arrival in ms, digest. @returns rows of extended, timestamp,
 * and the SSRC before, or 0 */
Napi::Value normalise(const Napi::CallbackInfo& info) {
  const auto recent = std::make_unique<RecentPackets::Memory>();
  Normaliser normaliser(*recent);
  const ClockRates rates;
  return eachRow(info, info[0], [&](auto cell) {
    RtpHeader in;
    in.ssrc = static_cast<uint32_t>(cell(0));
    in.sequence = static_cast<uint16_t>(cell(1));
    in.timestamp = static_cast<uint32_t>(cell(2));
    in.digest = static_cast<uint32_t>(cell(4));
    const auto out = normaliser.process(in, fromMs(cell(3)), rates);
    return rowOf(info.Env(), {static_cast<double>(out.extended), static_cast<double>(out.timestamp),
                              static_cast<double>(out.changedFrom.value_or(0))});
  });
}

/** Numbers that are added one after the other to ranges of which there may be so many. */
Napi::Value ranges(const Napi::CallbackInfo& info) {
  Ranges ranges(readUint32(info[0], "max"));
  const auto numbers = info[1].As<Napi::Float64Array>();
  uint32_t again = 0;
  for (size_t i = 0; i < numbers.ElementLength(); ++i) {
    if (!ranges.add(static_cast<uint64_t>(numbers[i]), static_cast<int64_t>(i))) ++again;
  }
  Napi::Array list = Napi::Array::New(info.Env(), ranges.list().size());
  for (uint32_t i = 0; i < ranges.list().size(); ++i) {
    const Range& range = ranges.list()[i];
    list.Set(
        i, rowOf(info.Env(), {static_cast<double>(range.first), static_cast<double>(range.last)}));
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("list", list);
  result.Set("again", again);
  result.Set("joined", static_cast<double>(ranges.joinedCount()));
  if (ranges.exactFrom()) result.Set("exactFrom", static_cast<double>(*ranges.exactFrom()));
  return result;
}

/** Rows of a number and of when it came, in ms, added one after the other. @returns rows of the
 * ranges: first, last, and when these came */
Napi::Value timedRanges(const Napi::CallbackInfo& info) {
  Ranges ranges;
  eachRow(info, info[0], [&](auto cell) {
    ranges.add(static_cast<uint64_t>(cell(0)), fromMs(cell(1)));
    return info.Env().Undefined();
  });
  Napi::Array list = Napi::Array::New(info.Env(), ranges.list().size());
  for (uint32_t i = 0; i < ranges.list().size(); ++i) {
    const Range& range = ranges.list()[i];
    list.Set(i,
             rowOf(info.Env(), {static_cast<double>(range.first), static_cast<double>(range.last),
                                static_cast<double>(range.firstAtNs) / kNsPerMs,
                                static_cast<double>(range.lastAtNs) / kNsPerMs}));
  }
  return list;
}

/** Rows of both clocks as they are sampled, of a stamp by the machine's, and of the time before
 * which it cannot have been, in ms. @returns the stamps by the edge's clock, in ms */
Napi::Value arrivals(const Napi::CallbackInfo& info) {
  ArrivalClock clock;
  return eachRow(info, info[0], [&](auto cell) {
    clock.sample(fromMs(cell(0)), fromMs(cell(1)));
    const int64_t at = clock.convert(fromMs(cell(2)), fromMs(cell(3)));
    return Napi::Number::New(info.Env(), static_cast<double>(at) / kNsPerMs);
  });
}

std::string describe(const std::optional<Address>& address) {
  return address ? address->ip() + ":" + std::to_string(address->port()) : "";
}

std::string describe(const Latch::Verdict& verdict) {
  static constexpr const char* kChanges[] = {"taken", "latched", "moved"};
  return verdict.refusal == Refusal::kNone ? kChanges[static_cast<size_t>(verdict.change)]
                                           : kRefusalNames[static_cast<size_t>(verdict.refusal)];
}

/** Steps of a party's addresses: `announce` with `rtp` and `rtcp`, or a packet, `rtp`, `rtcp` or
 * `muxed`, with `from`, `at` in ms and `stream`. @returns what came of each, and where RTP and
 * RTCP go then */
Napi::Value peerSource(const Napi::CallbackInfo& info) {
  PeerSource source(readLatch(info[0]));
  const auto steps = info[1].As<Napi::Array>();
  Napi::Array results = Napi::Array::New(info.Env(), steps.Length());
  for (uint32_t i = 0; i < steps.Length(); ++i) {
    const Napi::Object step = readObject(steps.Get(i), "step");
    const std::string kind = readString(step.Get("kind"), "kind");
    Latch::Verdict verdict;
    if (kind == "announce") {
      source.announce(readSocketAddress(step.Get("rtp"), "rtp"),
                      readSocketAddress(step.Get("rtcp"), "rtcp"));
    } else {
      const Address from = readSocketAddress(step.Get("from"), "from");
      const std::string stream = readString(step.Get("stream"), "stream");
      const Kinship kinship = stream == "next"   ? Kinship::kNext
                              : stream == "same" ? Kinship::kSsrc
                                                 : Kinship::kNone;
      const int64_t atNs = fromMs(step.Get("at").ToNumber().DoubleValue());
      if (kind == "rtp") {
        verdict = source.checkRtp(from, kinship, atNs);
      } else {
        verdict.refusal = source.checkRtcp(from, kind == "muxed", kinship, atNs);
      }
    }
    Napi::Array row = Napi::Array::New(info.Env(), 3);
    row.Set(0u, describe(verdict));
    row.Set(1u, describe(source.rtpDestination()));
    row.Set(2u, describe(source.rtcpDestination()));
    results.Set(i, row);
  }
  return results;
}

/** Rows of numbers sent and of numbers asked for, each with a time in ms. @returns which were sent
 * a short while before */
Napi::Value recentlySent(const Napi::CallbackInfo& info) {
  RecentlySent recent;
  eachRow(info, info[0], [&](auto cell) {
    recent.add(static_cast<uint64_t>(cell(0)), fromMs(cell(1)));
    return info.Env().Undefined();
  });
  return eachRow(info, info[1], [&](auto cell) {
    return Napi::Boolean::New(info.Env(),
                              recent.has(static_cast<uint64_t>(cell(0)), fromMs(cell(1))));
  });
}

/** Rows of a time in ms, the interval between reports and a random number below 2^32. @returns when
 * the next report is due */
Napi::Value nextReports(const Napi::CallbackInfo& info) {
  ForkRtcp rtcp;
  return eachRow(info, info[0], [&](auto cell) {
    rtcp.onReport(fromMs(cell(0)), fromMs(cell(1)), static_cast<uint32_t>(cell(2)));
    return Napi::Number::New(info.Env(), static_cast<double>(rtcp.nextReportNs()) / kNsPerMs);
  });
}

/** Rows of extended number and of datagrams dropped before it. @returns the ranges that are missing
 * by our fault */
Napi::Value dropped(const Napi::CallbackInfo& info) {
  IngressAccount account;
  int64_t atNs = kNsPerSecond;
  eachRow(info, info[0], [&](auto cell) {
    account.add(static_cast<uint64_t>(cell(0)), atNs += 20 * kNsPerMs,
                static_cast<uint32_t>(cell(1)));
    return info.Env().Undefined();
  });
  StreamReport report;
  account.report(report);
  Napi::Array list = Napi::Array::New(info.Env(), report.dropped.size());
  for (uint32_t i = 0; i < report.dropped.size(); ++i) {
    const Range& range = report.dropped[i];
    list.Set(
        i, rowOf(info.Env(), {static_cast<double>(range.first), static_cast<double>(range.last)}));
  }
  return list;
}

/** Rows of how many forks are behind as a round begins, and of how many have their turn before it
 * is broken off. @returns whose turn it is, round by round */
Napi::Value paceRounds(const Napi::CallbackInfo& info) {
  PaceRound round;
  return eachRow(info, info[0], [&](auto cell) {
    const auto forks = static_cast<size_t>(cell(0));
    auto turns = static_cast<size_t>(cell(1));
    Napi::Array row = Napi::Array::New(info.Env());
    round.begin(forks);
    for (; !round.isOver() && turns > 0; --turns) {
      row.Set(row.Length(), static_cast<double>(round.next(forks)));
    }
    round.breakOff();
    return row;
  });
}

template <Napi::Value (*Table)(const Napi::CallbackInfo&)>
Napi::Value guardedTable(const Napi::CallbackInfo& info) {
  try {
    return Table(info);
  } catch (const EdgeError& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

}  // namespace

void defineTables(Napi::Env env, Napi::Object& exports) {
  Napi::Object tables = Napi::Object::New(env);
  tables.Set("normalise", Napi::Function::New<guardedTable<normalise>>(env));
  tables.Set("ranges", Napi::Function::New<guardedTable<ranges>>(env));
  tables.Set("timedRanges", Napi::Function::New<guardedTable<timedRanges>>(env));
  tables.Set("arrivals", Napi::Function::New<guardedTable<arrivals>>(env));
  tables.Set("peerSource", Napi::Function::New<guardedTable<peerSource>>(env));
  tables.Set("dropped", Napi::Function::New<guardedTable<dropped>>(env));
  tables.Set("recentlySent", Napi::Function::New<guardedTable<recentlySent>>(env));
  tables.Set("paceRounds", Napi::Function::New<guardedTable<paceRounds>>(env));
  tables.Set("nextReports", Napi::Function::New<guardedTable<nextReports>>(env));
  defineMemoryTables(env, tables);
  exports.Set("tables", tables);
}

}  // namespace tandem
