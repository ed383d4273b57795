// SPDX-License-Identifier: BSD-2-Clause
// Log lines an operator can grep: a stable event name, then key=value in the order given.
// Only drivers and edges log; an error is logged once, by whoever handles it (docs/events.md).
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace zrepd::log {

/// debug: developers. info: state changes. warn: survived, the text says what we did instead.
/// error: something asked for did not happen. critical: exiting.
enum class Level { debug, info, warn, error, critical };

using Field = std::pair<std::string_view, std::string>;

/// Longest value of a key. A remedy with its commands and two long names has to fit, because half a
/// command is worse than none; what another host says is still bounded.
inline constexpr std::size_t kMaxValue = 2048;

/// "2026-03-01T12:00:00Z info run_started run=… dataset=tank/fs". Values with spaces are quoted,
/// control characters escaped, and values cut at kMaxValue bytes. Under systemd the priority stands
/// as <N> in front, and no time.
void event(Level level, std::string_view name, std::initializer_list<Field> fields = {});

/// Call before the first event; a later call starts anew. `level_name` as in the configuration;
/// false if unknown.
bool start(std::string_view level_name);
bool set_level(std::string_view level_name);
void flush();

}  // namespace zrepd::log
