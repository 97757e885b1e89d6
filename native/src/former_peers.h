#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "address.h"
#include "clock.h"
#include "limits.h"

namespace tandem {

/** Who was spoken to a short while ago: what still comes from there is late, not strange. A
 * recorder says its RTCP BYE when its session ends, which is after its copies have. */
class FormerPeers {
 public:
  void add(const Address& peer, int64_t nowNs) {
    forget(nowNs);
    left_.push_back({peer, nowNs + kKeepNs});
    ++count_[peer];
  }

  bool knows(const Address& peer, int64_t nowNs) {
    forget(nowNs);
    return count_.contains(peer);
  }

 private:
  static constexpr int64_t kKeepNs = 10 * kNsPerSecond;

  struct Left {
    Address peer;
    int64_t untilNs;
  };

  void forget(int64_t nowNs) {
    while (!left_.empty() && (left_.front().untilNs <= nowNs || left_.size() >= kFormerPeersMax)) {
      const auto found = count_.find(left_.front().peer);
      if (--found->second == 0) count_.erase(found);
      left_.pop_front();
    }
  }

  std::deque<Left> left_;
  std::unordered_map<Address, size_t, AddressHash> count_;
};

}  // namespace tandem
