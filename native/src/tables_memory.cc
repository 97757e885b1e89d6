#include "tables_memory.h"

#include <array>
#include <atomic>
#include <deque>
#include <set>
#include <thread>

#include "js_guard.h"
#include "js_read.h"
#include "shm_cell.h"
#include "shm_list.h"
#include "shm_ranges.h"

namespace tandem {

namespace {

/** Chunks that know who has them. */
class CountedChunks final : public ListChunks {
 public:
  uint32_t take() override {
    uint32_t chunk = 0;
    if (free_.empty()) {
      chunks_.emplace_back();
      chunk = static_cast<uint32_t>(chunks_.size());
    } else {
      chunk = free_.back();
      free_.pop_back();
    }
    taken_.insert(chunk);
    return chunk;
  }
  void give(uint32_t chunk) override {
    if (taken_.erase(chunk) == 0) fail("a chunk is given back twice");
    // Whoever still reads it finds that out.
    std::fill(std::begin(at(chunk).words), std::end(at(chunk).words), UINT64_MAX);
    free_.push_back(chunk);
  }
  ListChunk& at(uint32_t chunk) override { return chunks_[chunk - 1]; }
  const ListChunk* find(uint32_t chunk) { return taken_.contains(chunk) ? &at(chunk) : nullptr; }
  size_t taken() const { return taken_.size(); }

 private:
  std::deque<ListChunk> chunks_;
  std::vector<uint32_t> free_;
  std::set<uint32_t> taken_;
};

bool areSame(const std::vector<Range>& one, const std::vector<Range>& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Range& a, const Range& b) {
                      return a.first == b.first && a.last == b.last && a.firstAtNs == b.firstAtNs &&
                             a.lastAtNs == b.lastAtNs;
                    });
}

/** Numbers that are added to at most `max` ranges, which are shown after each so many. What was
 * shown before must be there until the next is. @returns how often readers saw something else than
 * what there was, and the chunks that are left when all is given back */
Napi::Value sharedRanges(const Napi::CallbackInfo& info) {
  CountedChunks chunks;
  Ranges ranges(readUint32(info[0], "max"));
  const auto numbers = info[1].As<Napi::Float64Array>();
  const uint32_t every = readUint32(info[2], "every");
  SharedRanges shared;
  const auto find = [&chunks](uint32_t chunk) { return chunks.find(chunk); };
  const auto shows = [&](const RangesRecord& record, const std::vector<Range>& list) {
    const auto found = readRanges(record, find);
    return found && areSame(found->first.list(), list);
  };
  uint32_t wrong = 0;
  RangesRecord before = shared.update(chunks, ranges);
  std::vector<Range> listBefore;
  for (size_t i = 0; i < numbers.ElementLength(); ++i) {
    ranges.add(static_cast<uint64_t>(numbers[i]), static_cast<int64_t>(i) * kNsPerMs);
    if (i % every != 0) continue;
    const RangesRecord record = shared.update(chunks, ranges);
    if (!shows(before, listBefore) || !shows(record, ranges.list())) ++wrong;
    shared.list().giveRetired(chunks);
    if (!shows(record, ranges.list())) ++wrong;
    before = record;
    listBefore = ranges.list();
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("wrong", wrong);
  result.Set("ranges", static_cast<double>(ranges.list().size()));
  result.Set("chunks", static_cast<double>(chunks.taken()));
  shared.list().giveAll(chunks);
  result.Set("left", static_cast<double>(chunks.taken()));
  return result;
}

struct Words {
  std::array<uint64_t, 64> words;
  bool areOne() const {
    return std::all_of(words.begin(), words.end(), [this](uint64_t w) { return w == words[0]; });
  }
};

/** One thread publishes so many values while this one reads. @returns the readings, of these the
 * ones that were a mixture, and those older than one before */
template <typename AnyCell, typename Publish>
Napi::Value readWhileWritten(const Napi::CallbackInfo& info, Publish publish) {
  const uint32_t values = readUint32(info[0], "values");
  auto cell = std::make_unique<AnyCell>();
  publish(*cell, Words{});
  std::atomic<bool> isReading{false};
  std::atomic<bool> isDone{false};
  std::thread writer([&] {
    while (!isReading) std::this_thread::yield();
    Words value;
    for (uint64_t i = 1; i <= values; ++i) {
      value.words.fill(i);
      publish(*cell, value);
    }
    isDone = true;
  });
  uint32_t readings = 0;
  uint32_t mixed = 0;
  uint32_t older = 0;
  uint64_t newest = 0;
  while (!isDone || readings == 0) {
    isReading = true;
    const auto value = cell->read();
    if (!value) continue;
    ++readings;
    if (!value->areOne()) ++mixed;
    if (value->words[0] < newest) ++older;
    newest = std::max(newest, value->words[0]);
  }
  writer.join();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("readings", readings);
  result.Set("mixed", mixed);
  result.Set("older", older);
  result.Set("last", static_cast<double>(cell->read()->words[0]));
  return result;
}

Napi::Value cell(const Napi::CallbackInfo& info) {
  return readWhileWritten<Cell<Words>>(
      info, [](Cell<Words>& cell, const Words& value) { cell.publish(value); });
}

/** Of three that are staged one after the other, the third is shown. */
Napi::Value stagedCell(const Napi::CallbackInfo& info) {
  return readWhileWritten<StagedCell<Words>>(info, [](StagedCell<Words>& cell, const Words& value) {
    cell.stage(value);
    if (value.words[0] % 3 == 0) cell.show();
  });
}

/** A writer that is stopped after each word that it writes. @returns how often what was published
 * last could not be read then */
Napi::Value stoppedWrites(const Napi::CallbackInfo& info) {
  using Memory = std::array<uint8_t, sizeof(Cell<Words>)>;
  auto cell = std::make_unique<Cell<Words>>();
  Words value;
  value.words.fill(1);
  cell->publish(value);
  value.words.fill(2);
  cell->publish(value);
  // Words of a third, up to there: the copy that is not shown is the first.
  const size_t first = sizeof(uint64_t);
  const uint64_t three = 3;
  uint32_t wrong = 0;
  alignas(uint64_t) Memory memory;
  for (size_t words = 0; words <= value.words.size(); ++words) {
    memcpy(memory.data(), cell.get(), memory.size());
    for (size_t i = 0; i < words; ++i)
      memcpy(memory.data() + first + sizeof(Words) + i * sizeof three, &three, sizeof three);
    const auto read = reinterpret_cast<const Cell<Words>*>(memory.data())->read();
    if (!read || !read->areOne() || read->words[0] != 2) ++wrong;
  }
  return Napi::Number::New(info.Env(), wrong);
}

template <Napi::Value (*Table)(const Napi::CallbackInfo&)>
Napi::Value guardedMemoryTable(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Table(info); });
}

}  // namespace

void defineMemoryTables(Napi::Env env, Napi::Object& tables) {
  tables.Set("sharedRanges", Napi::Function::New<guardedMemoryTable<sharedRanges>>(env));
  tables.Set("cell", Napi::Function::New<guardedMemoryTable<cell>>(env));
  tables.Set("stagedCell", Napi::Function::New<guardedMemoryTable<stagedCell>>(env));
  tables.Set("stoppedWrites", Napi::Function::New<guardedMemoryTable<stoppedWrites>>(env));
}

}  // namespace tandem
