#pragma once

#include <algorithm>
#include <cstdint>

namespace tandem {

/** A pause that a fork which is behind has not reached yet: what lies in the ring from there until
 * it goes on is withheld. */
class PendingPause {
 public:
  bool isSet() const { return from_ != kNever; }
  bool hasEnd() const { return to_ != kNever; }
  uint64_t from() const { return from_; }
  uint64_t to() const { return to_; }
  bool covers(uint64_t index) const { return index >= from_ && index < to_; }

  void begin(uint64_t index) { from_ = index; }
  void end(uint64_t index) { to_ = std::min(to_, index); }
  void clear() { from_ = to_ = kNever; }

 private:
  static constexpr uint64_t kNever = UINT64_MAX;
  // Indices in the ring.
  uint64_t from_ = kNever;
  uint64_t to_ = kNever;
};

}  // namespace tandem
