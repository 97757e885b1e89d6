#include "capture.h"

#include "clock.h"

namespace tandem {

namespace {

constexpr int64_t kLookEveryNs = kNsPerSecond;

}  // namespace

void Capture::markDirty(ShardContext& context) {
  if (dirty_) return;
  dirty_ = true;
  context.dirtyCaptures.push_back(this);
}

void Capture::flush(ShardContext& context) {
  dirty_ = false;
  const int error = file_->flush();
  if (error == 0 || failureTold_) return;
  failureTold_ = true;
  context.events.emit(
      {.type = Event::Type::kCaptureFailed, .id = id_, .address = {}, .error = error});
}

void Capture::look(ShardContext& context) {
  const uint32_t before = file_->restored();
  if (!file_->restoreIfDeleted()) flush(context);
  if (file_->restored() == before) return;
  context.events.emit({.type = Event::Type::kCaptureRestored, .id = id_, .address = {}});
}

void Capture::tick(ShardContext& context) {
  if (context.monotonicNow >= nextLookNs_) {
    nextLookNs_ = context.monotonicNow + kLookEveryNs;
    look(context);
  }
  for (auto& stream : streams_) stream->tick(context);
}

void Capture::finish(ShardContext& context) {
  for (auto& stream : streams_) stream->drain(context);
  for (auto& stream : streams_) stream->sendBye(context);
  flush(context);
  look(context);
}

CaptureReport Capture::report() const {
  CaptureReport report;
  report.captureId = id_;
  report.fileBytes = file_->bytes();
  report.failed = file_->failed();
  report.restored = file_->restored();
  for (const auto& stream : streams_) report.streams.push_back(stream->report());
  return report;
}

}  // namespace tandem
