#include "wire_reports.h"

#include <string.h>

namespace tandem {

namespace {

void writeRanges(WireWriter& out, const std::vector<Range>& ranges) {
  out.length(ranges.size());
  for (const Range& range : ranges) {
    out.count(range.first);
    out.count(range.last);
    out.time(range.firstAtNs);
    out.time(range.lastAtNs);
  }
}

template <typename Counts, typename Names>
void writeReasons(WireWriter& out, const Counts& counts, const Names& names) {
  uint8_t length = 0;
  for (const uint64_t count : counts.byReason) length = static_cast<uint8_t>(length + (count > 0));
  out.u8(length);
  for (size_t i = 0; i < counts.byReason.size(); ++i) {
    if (counts.byReason[i] == 0) continue;
    out.text(names[i]);
    out.count(counts.byReason[i]);
  }
}

void writeChange(WireWriter& out, const SsrcChange& change) {
  out.time(change.atNs);
  out.u32(change.from);
  out.u32(change.to);
  out.count(change.extended);
}

void writeRemote(WireWriter& out, const PortRemote& remote) {
  write(out, remote.rtp);
  write(out, remote.rtcp);
  out.flag(remote.send);
  std::vector<uint8_t> payloadTypes;
  for (uint8_t type = 0; type < 128; ++type) {
    if (remote.clockRates.of(type) != ClockRates::kDefaultHz) payloadTypes.push_back(type);
  }
  out.u8(static_cast<uint8_t>(payloadTypes.size()));
  for (const uint8_t type : payloadTypes) {
    out.u8(type);
    out.u32(remote.clockRates.of(type));
  }
}

void writeRoute(WireWriter& out, const PortRoute& route) {
  out.u8(static_cast<uint8_t>(route.kind));
  out.flag(route.peerPortId.has_value());
  if (route.peerPortId) out.u32(*route.peerPortId);
  if (route.kind != PortRoute::Kind::kRelay) return;
  write(out, *route.to);
  out.u8(static_cast<uint8_t>(route.payloadTypes.count()));
  for (size_t type = 0; type < route.payloadTypes.size(); ++type) {
    if (route.payloadTypes.test(type)) out.u8(static_cast<uint8_t>(type));
  }
}

void writePort(WireWriter& out, const PortInventory& port) {
  out.u32(port.portId);
  write(out, port.rtp);
  write(out, port.rtcp);
  out.u32(port.ssrc);
  out.flag(port.remote.has_value());
  if (port.remote) writeRemote(out, *port.remote);
  writeRoute(out, port.route);
}

void writeFork(WireWriter& out, const ForkInventory& fork) {
  out.u32(fork.forkId);
  out.u32(fork.portId);
  out.u32(fork.streamIndex);
  write(out, fork.rtp);
  write(out, fork.rtcp);
  out.u8(static_cast<uint8_t>(fork.state));
}

}  // namespace

void write(WireWriter& out, const Address& address) { out.address(address); }

void write(WireWriter& out, const OpenedPort& port) {
  out.u32(port.portId);
  write(out, port.rtp);
  write(out, port.rtcp);
  out.u32(port.ssrc);
}

void write(WireWriter& out, const StreamReport& report) {
  out.u32(report.ssrc);
  out.flag(report.sourceSsrc.has_value());
  if (report.sourceSsrc) out.u32(*report.sourceSsrc);
  out.flag(report.latched.has_value());
  if (report.latched) write(out, *report.latched);
  out.count(report.packets);
  out.count(report.bytes);
  out.count(report.duplicates);
  out.count(report.reordered);
  writeReasons(out, report.refused, kRefusalNames);
  writeReasons(out, report.unforwarded, kUnforwardedNames);
  out.count(report.kernelDrops);
  writeRanges(out, report.received);
  out.count(report.rangesJoined);
  out.flag(report.exactFrom.has_value());
  if (report.exactFrom) out.count(*report.exactFrom);
  writeRanges(out, report.dropped);
  out.length(report.ssrcChanges.size());
  for (const SsrcChange& change : report.ssrcChanges) writeChange(out, change);
  out.count(report.ssrcChangeCount);
  out.f64(report.packetMs);
  out.flag(report.lastPayloadType.has_value());
  if (report.lastPayloadType) out.u8(*report.lastPayloadType);
  out.count(report.egressPackets);
  out.count(report.egressErrors);
  out.time(report.lastEgressNs);
  out.flag(report.ringFirst.has_value());
  if (report.ringFirst) out.count(*report.ringFirst);
}

void write(WireWriter& out, const ForkReport& report) {
  out.u32(report.forkId);
  out.u8(static_cast<uint8_t>(report.state));
  out.count(report.sentPackets);
  out.count(report.sentBytes);
  out.count(report.sendErrors);
  writeRanges(out, report.sent);
  writeRanges(out, report.replayed);
  writeRanges(out, report.overrun);
  writeRanges(out, report.withheld);
  out.flag(report.refused.has_value());
  if (report.refused) {
    out.time(report.refused->atNs);
    out.count(report.refused->extended);
    out.count(report.refused->count);
  }
  out.flag(report.unsendable.has_value());
  if (report.unsendable) {
    out.time(report.unsendable->atNs);
    out.count(report.unsendable->extended);
    out.count(report.unsendable->count);
    out.text(strerrorname_np(report.unsendable->error));
  }
  out.flag(report.receiverReport.has_value());
  if (report.receiverReport) {
    out.time(report.receiverReport->atNs);
    out.count(report.receiverReport->highest);
    out.f64(report.receiverReport->fractionLost);
    out.f64(report.receiverReport->jitterMs);
    out.flag(report.receiverReport->roundTripMs.has_value());
    if (report.receiverReport->roundTripMs) out.f64(*report.receiverReport->roundTripMs);
    out.flag(report.receiverReport->isFinal);
  }
  out.count(report.receiverReports);
  out.flag(report.reportsRanges);
  writeRanges(out, report.confirmed);
  writeRanges(out, report.denied);
  out.count(report.lostAtLeast);
  out.count(report.lostAtMost);
}

void write(WireWriter& out, const Stock& stock) {
  write(out, stock.streams);
  write(out, stock.forks);
}

void write(WireWriter& out, const Inventory& inventory) {
  out.length(inventory.ports.size());
  for (const PortInventory& port : inventory.ports) writePort(out, port);
  out.length(inventory.forks.size());
  for (const ForkInventory& fork : inventory.forks) writeFork(out, fork);
}

void write(WireWriter& out, const Event& event) {
  out.u8(static_cast<uint8_t>(event.type));
  out.u32(event.id);
  write(out, event.address);
  out.u32(event.from);
  out.u32(event.to);
  out.time(event.atNs);
  out.count(event.packets);
}

}  // namespace tandem
