#pragma once

#include <cstddef>

namespace tandem {

/** Whose turn it is among forks that are behind: each has one in a round, which may take several
 * wake-ups. Whose turn did not come has it first in the next round; a round in which all had it is
 * followed by one that begins one further, so that who blocks those behind him blocks each but
 * once. */
class PaceRound {
 public:
  void begin(size_t forks) {
    if (isFull_) ++at_;
    isFull_ = false;
    left_ = forks;
  }
  bool isOver() const { return left_ == 0; }
  /** The list may have grown or shrunk since the round began. */
  size_t next(size_t forks) {
    isFull_ = --left_ == 0;
    return at_++ % forks;
  }
  /** With what was left to have their turn. */
  void breakOff() { left_ = 0; }

 private:
  size_t left_ = 0;
  size_t at_ = 0;
  bool isFull_ = false;
};

}  // namespace tandem
