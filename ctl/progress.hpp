// SPDX-License-Identifier: BSD-2-Clause
// The progress line of a terminal. Nothing is written where stderr is something else.
#pragma once

#include <string>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// "tank/fs: sending, 12.0 MiB, 3.4 MiB/s", at most `columns` wide. Pure.
std::string progress_text(const rpc::EventOut& event, std::size_t columns);

/// One line, rewritten in place.
class ProgressLine {
  public:
    ProgressLine();
    void show(const rpc::EventOut& event);
    /// Before anything else is written.
    void clear();

  private:
    bool terminal_ = false;
    bool shown_ = false;
};

}  // namespace zrepd::ctl
