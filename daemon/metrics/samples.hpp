// SPDX-License-Identifier: BSD-2-Clause
// The samples of each family, for the table in families.cpp. Pure.
#pragma once

#include "daemon/metrics/families.hpp"

namespace zrepd::metrics {

void write_build(TextWriter& out, const Figures& figures);
void write_started(TextWriter& out, const Figures& figures);
void write_pairs(TextWriter& out, const Figures& figures);
void write_unknown(TextWriter& out, const Figures& figures);
void write_active(TextWriter& out, const Figures& figures);
void write_processes(TextWriter& out, const Figures& figures);
void write_processes_started(TextWriter& out, const Figures& figures);
void write_abandoned(TextWriter& out, const Figures& figures);
void write_peers(TextWriter& out, const Figures& figures);
void write_info(TextWriter& out, const Figures& figures);
void write_health(TextWriter& out, const Figures& figures);
void write_error(TextWriter& out, const Figures& figures);
void write_warning(TextWriter& out, const Figures& figures);
void write_epoch(TextWriter& out, const Figures& figures);
void write_lag(TextWriter& out, const Figures& figures);
void write_last_sync(TextWriter& out, const Figures& figures);
void write_interval(TextWriter& out, const Figures& figures);
void write_backlog(TextWriter& out, const Figures& figures);
void write_pending(TextWriter& out, const Figures& figures);
void write_paused(TextWriter& out, const Figures& figures);
void write_running(TextWriter& out, const Figures& figures);
void write_fenced(TextWriter& out, const Figures& figures);
void write_rescues(TextWriter& out, const Figures& figures);
void write_left_behind(TextWriter& out, const Figures& figures);
void write_members(TextWriter& out, const Figures& figures);
void write_runs(TextWriter& out, const Figures& figures);
void write_run_times(TextWriter& out, const Figures& figures);
void write_bytes(TextWriter& out, const Figures& figures);
void write_durations(TextWriter& out, const Figures& figures);

}  // namespace zrepd::metrics
