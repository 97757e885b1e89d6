#pragma once

#include <vector>

#include "edge.h"
#include "wire_writer.h"

namespace tandem {

// What the edge tells, as fields of a frame.

void write(WireWriter& out, const Address& address);
void write(WireWriter& out, const OpenedPort& port);
void write(WireWriter& out, const StreamReport& report);
void write(WireWriter& out, const ForkReport& report);
void write(WireWriter& out, const Stock& stock);
void write(WireWriter& out, const Inventory& inventory);
void write(WireWriter& out, const Event& event);
inline void write(WireWriter& out, bool value) { out.flag(value); }
inline void write(WireWriter& out, uint32_t id) { out.u32(id); }

template <typename Item>
void write(WireWriter& out, const std::vector<Item>& items) {
  out.length(items.size());
  for (const Item& item : items) write(out, item);
}

}  // namespace tandem
