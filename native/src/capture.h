#pragma once

#include <memory>
#include <vector>

#include "capture_stream.h"
#include "pcapng.h"
#include "reports.h"
#include "shard_context.h"

namespace tandem {

/** The recorder's side: every packet of a session into one pcapng file, and receiver reports back.
 */
class Capture {
 public:
  Capture(uint32_t id, std::unique_ptr<PcapngFile> file) : id_(id), file_(std::move(file)) {}

  uint32_t id() const { return id_; }
  PcapngFile& file() { return *file_; }
  void addStream(std::unique_ptr<CaptureStream> stream) { streams_.push_back(std::move(stream)); }
  size_t streamCount() const { return streams_.size(); }
  CaptureStream& stream(size_t index) { return *streams_.at(index); }

  template <typename Watch>
  void watchAll(Watch&& watch) {
    for (auto& stream : streams_) {
      watch(stream->sockets().rtp.fd.get(), stream->rtpSource());
      watch(stream->sockets().rtcp.fd.get(), stream->rtcpSource());
    }
  }

  /** Something was appended in this wake-up. */
  void markDirty(ShardContext& context);
  void flush(ShardContext& context);
  void tick(ShardContext& context);
  void finish(ShardContext& context);
  CaptureReport report() const;

 private:
  /** Somebody may delete the file while it is written. */
  void look(ShardContext& context);

  const uint32_t id_;
  std::unique_ptr<PcapngFile> file_;
  std::vector<std::unique_ptr<CaptureStream>> streams_;
  bool dirty_ = false;
  bool failureTold_ = false;
  int64_t nextLookNs_ = 0;
};

}  // namespace tandem
