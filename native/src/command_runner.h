#pragma once

#include "edge.h"
#include "edge_command.h"
#include "wire_writer.h"

namespace tandem {

/**
 * Runs a command and appends its results to `out`. Status and shutdown are the channel's own.
 * @throws EdgeError; WireError for a second hello
 */
void runCommand(Edge& edge, const EdgeCommand& command, WireWriter& out);

}  // namespace tandem
