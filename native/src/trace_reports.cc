#include "trace_reports.h"

#include <vector>

#include "js_read.h"
#include "report_judge.h"

namespace tandem {

namespace {

Napi::Array spansToJs(Napi::Env env, const SpanList& spans) {
  Napi::Array list = Napi::Array::New(env, spans.size());
  for (uint32_t i = 0; i < spans.size(); ++i) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, static_cast<double>(spans[i].first));
    pair.Set(1u, static_cast<double>(spans[i].last));
    list.Set(i, pair);
  }
  return list;
}

Napi::Object verdict(Napi::Env env, ReportJudge& judge, const std::vector<uint8_t>& said) {
  // Exactly as large as the datagram: a sanitizer sees every read beyond it.
  std::vector<uint8_t> compound = said;
  Napi::Object result = Napi::Object::New(env);
  judge.onRanges(compound.data(), compound.size());
  forEachReportBlock(compound.data(), compound.size(),
                     [&](const ReportBlock& block, uint32_t reporter) {
                       const auto report = judge.onReport(block, reporter);
                       if (!report) return;
                       result.Set("highest", static_cast<double>(report->highest));
                       result.Set("fractionLost", report->fractionLost);
                       result.Set("isDeaf", report->isDeaf);
                     });
  const auto lost = judge.lost();
  result.Set("reportsRanges", judge.reportsRanges());
  result.Set("confirmed", spansToJs(env, judge.confirmed().list()));
  result.Set("denied", spansToJs(env, judge.denied().list()));
  result.Set("atLeast", static_cast<double>(lost.atLeast));
  result.Set("atMost", static_cast<double>(lost.atMost));
  return result;
}

}  // namespace

// Steps: an extended number that is sent, a Buffer of RTCP that comes, or null, another receiver.
// @returns what is held to be so after each Buffer
Napi::Value traceReports(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  SentLog sent;
  ReportJudge judge(readUint32(info[0], "ssrc"), sent);
  const auto steps = info[1].As<Napi::Array>();
  Napi::Array verdicts = Napi::Array::New(env);
  for (uint32_t i = 0; i < steps.Length(); ++i) {
    const Napi::Value step = steps.Get(i);
    if (step.IsNumber()) {
      sent.add(readSequence(step, "number"), i);
    } else if (step.IsNull()) {
      judge.onNewTarget();
    } else {
      const auto bytes = step.As<Napi::Uint8Array>();
      verdicts.Set(verdicts.Length(),
                   verdict(env, judge, {bytes.Data(), bytes.Data() + bytes.ByteLength()}));
    }
  }
  return verdicts;
}

}  // namespace tandem
