#include "trace_reception.h"

#include "js_read.h"
#include "range_reporter.h"
#include "reception.h"

namespace tandem {

namespace {

constexpr uint32_t kSender = 1;
constexpr size_t kBytesMax = 2'000;

Napi::Object traceReport(Napi::Env env, Reception& reception, RangeReporter& ranges, int64_t nowNs,
                         size_t bytesMax) {
  Napi::Object report = Napi::Object::New(env);
  const ReportBlock block = reception.nextReport(nowNs);
  report.Set("fractionLost", static_cast<double>(block.fractionLost) / 256);
  report.Set("cumulativeLost", static_cast<double>(block.cumulativeLost));
  report.Set("highestSequence", static_cast<double>(block.highestSequence));
  report.Set("jitter", static_cast<double>(block.jitter));
  report.Set("lost", static_cast<double>(reception.lost()));
  Napi::Array packets = Napi::Array::New(env);
  ranges.begin(bytesMax);
  while (ranges.left()) {
    uint8_t packet[kBytesMax];
    const size_t size = ranges.write(packet, kSender);
    packets.Set(packets.Length(), Napi::Buffer<uint8_t>::Copy(env, packet, size));
  }
  report.Set("ranges", packets);
  return report;
}

}  // namespace

Napi::Value traceReception(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Array steps = info[0].As<Napi::Array>();
  const size_t bytesMax = info[1].As<Napi::Number>().Uint32Value();
  if (bytesMax > kBytesMax) throw Napi::RangeError::New(env, "at most 2,000 bytes");
  Reception reception;
  RangeReporter ranges;
  Napi::Array reports = Napi::Array::New(env);
  for (uint32_t i = 0; i < steps.Length(); ++i) {
    const Napi::Object step = steps.Get(i).As<Napi::Object>();
    const auto number = [&step](const char* name) {
      return step.Get(name).As<Napi::Number>().DoubleValue();
    };
    const auto atNs = static_cast<int64_t>(number("at") * kNsPerMs);
    if (!step.Has("sequence")) {
      reports.Set(reports.Length(), traceReport(env, reception, ranges, atNs, bytesMax));
      continue;
    }
    RtpHeader header;
    header.sequence = static_cast<uint16_t>(number("sequence"));
    header.timestamp = static_cast<uint32_t>(number("timestamp"));
    header.ssrc = static_cast<uint32_t>(number("ssrc"));
    if (ranges.wouldLose(header.ssrc, header.sequence, atNs)) {
      reports.Set(reports.Length(), traceReport(env, reception, ranges, atNs, bytesMax));
    }
    ranges.onRtp(header.ssrc, header.sequence, atNs);
    reception.onRtp(header, atNs, 8000);
  }
  return reports;
}

}  // namespace tandem
