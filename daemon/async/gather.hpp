// SPDX-License-Identifier: BSD-2-Clause
// Several questions at once, and one wait for all of their answers. Thread: io thread.
#pragma once

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"

namespace zrepd {

/// Until the tasks, each of which counts `left` down and notifies `done` at its end, are through. A
/// cancel is passed on to them; they have ended when this returns. As long as the slowest of them:
/// the limits are theirs.
Task<> gather(TaskGroup& tasks, const std::size_t& left, Signal& done);

}  // namespace zrepd
