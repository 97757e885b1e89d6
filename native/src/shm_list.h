#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

#include "shm_cell.h"

namespace tandem {

/** Of a list in shared memory: never changed where a record names it, but behind what it names. */
struct ListChunk {
  static constexpr size_t kBytes = 1024;

  /** The chunk before, by number; 0: this is the first. */
  uint64_t before;
  uint64_t words[kBytes / sizeof(uint64_t) - 1];

  template <typename T>
  static constexpr size_t countOf() {
    return (kBytes - sizeof(before)) / sizeof(T);
  }
};
static_assert(sizeof(ListChunk) == ListChunk::kBytes);

/** Where the chunks are: number 0 is none. */
class ListChunks {
 public:
  virtual ~ListChunks() = default;
  virtual uint32_t take() = 0;
  virtual void give(uint32_t chunk) = 0;
  virtual ListChunk& at(uint32_t chunk) = 0;
};

/** A list as a record names it: the newest item is in the record itself, since it is the one that
 * changes. */
template <typename T>
struct ListRecord {
  static_assert(kIsShareable<T>);

  uint32_t count;
  /** The last chunk; 0: none. */
  uint32_t tail;
  T newest;
};

/**
 * The writer's side of a list that also lies in shared memory. What is appended is stored behind
 * what has been published; where something else changed, the chunks from there on are written anew,
 * and the old ones are given back when nobody is shown them any more. What changes lies near the
 * end as a rule.
 */
template <typename T>
class SharedList {
 public:
  /** @param unchanged so many items at the beginning are as they were the last time */
  template <typename List>
  ListRecord<T> update(ListChunks& chunks, const List& items, size_t unchanged) {
    const size_t count = items.size();
    const size_t stored = count > 0 ? count - 1 : 0;
    if (unchanged < stored_ || stored < stored_) {
      cut(std::min({unchanged, stored, stored_}) / kPerChunk);
    }
    for (size_t i = stored_; i < stored; ++i) put(chunks, i, items[i]);
    ListRecord<T> record{};
    record.count = static_cast<uint32_t>(count);
    record.tail = chunks_.empty() ? 0 : chunks_.back();
    if (count > 0) record.newest = items[count - 1];
    return record;
  }

  bool hasRetired() const { return !retired_.empty(); }
  /** When no reader is shown what was before the last update. */
  void giveRetired(ListChunks& chunks) {
    for (const uint32_t chunk : retired_) chunks.give(chunk);
    retired_.clear();
  }
  /** At the end. */
  void giveAll(ListChunks& chunks) {
    cut(0);
    giveRetired(chunks);
  }

  /** A successor's: `chain` as `readList` found it. */
  void adopt(std::vector<uint32_t> chain, size_t count) {
    chunks_ = std::move(chain);
    stored_ = count > 0 ? count - 1 : 0;
  }

 private:
  static constexpr size_t kPerChunk = ListChunk::countOf<T>();

  void cut(size_t chunk) {
    if (chunk < chunks_.size()) {
      const auto from = chunks_.begin() + static_cast<std::ptrdiff_t>(chunk);
      retired_.insert(retired_.end(), from, chunks_.end());
      chunks_.erase(from, chunks_.end());
    }
    stored_ = std::min(stored_, chunk * kPerChunk);
  }

  void put(ListChunks& chunks, size_t i, const T& item) {
    if (i % kPerChunk == 0) {
      const uint32_t added = chunks.take();
      __atomic_store_n(&chunks.at(added).before, chunks_.empty() ? 0 : chunks_.back(),
                       __ATOMIC_RELAXED);
      chunks_.push_back(added);
    }
    auto* words = reinterpret_cast<uint8_t*>(chunks.at(chunks_.back()).words);
    storeWords(words + i % kPerChunk * sizeof(T), &item, sizeof item);
    stored_ = i + 1;
  }

  std::vector<uint32_t> chunks_;
  size_t stored_ = 0;
  std::vector<uint32_t> retired_;
};

/** What a reader found of a list. */
template <typename T>
struct FoundList {
  std::vector<T> items;
  /** The chunks that hold it, in order. */
  std::vector<uint32_t> chain;
};

/** Nothing where the record cannot be right. @param at (number) -> const ListChunk*, null if there
 * is none of that number */
template <typename T, typename At>
std::optional<FoundList<T>> readList(const ListRecord<T>& record, size_t max, At&& at) {
  constexpr size_t kPerChunk = ListChunk::countOf<T>();
  FoundList<T> found;
  if (record.count > max) return std::nullopt;
  if (record.count == 0) return found;
  size_t stored = record.count - 1;
  found.items.resize(record.count);
  found.items[stored] = record.newest;
  uint64_t number = record.tail;
  while (stored > 0) {
    const ListChunk* chunk = number <= UINT32_MAX ? at(static_cast<uint32_t>(number)) : nullptr;
    if (chunk == nullptr) return std::nullopt;
    found.chain.push_back(static_cast<uint32_t>(number));
    const size_t from = (stored - 1) / kPerChunk * kPerChunk;
    loadWords(&found.items[from], chunk->words, (stored - from) * sizeof(T));
    number = __atomic_load_n(&chunk->before, __ATOMIC_RELAXED);
    stored = from;
  }
  std::reverse(found.chain.begin(), found.chain.end());
  return found;
}

}  // namespace tandem
