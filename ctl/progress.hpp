// SPDX-License-Identifier: BSD-2-Clause
// The progress line of a terminal. Nothing is written where stderr is something else.
#pragma once

#include <chrono>
#include <string>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// "tank/fs: sending, 41%, 12.0 MiB of about 29.0 MiB, 3.4 MiB/s, 5 s left", at most `columns`
/// wide. Pure.
std::string progress_text(const rpc::EventOut& event, std::size_t columns);

/// One line, rewritten in place.
class ProgressLine {
  public:
    /// With `wanted` false nothing is ever shown.
    explicit ProgressLine(bool wanted);
    void show(const rpc::EventOut& event);
    /// Before anything else is written.
    void clear();

  private:
    bool terminal_ = false;
    bool shown_ = false;
    std::chrono::steady_clock::time_point shown_at_;
};

}  // namespace zrepd::ctl
