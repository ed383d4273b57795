// SPDX-License-Identifier: BSD-2-Clause
// Events as lines. Pure: values in, strings out.
#pragma once

#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// "2026-11-28T11:30:02Z  role_changed   tank/fs: master of epoch 3", without a line break.
std::string event_line(const rpc::EventOut& event);

/// The same without time and name: "tank/fs: master of epoch 3".
std::string event_text(const rpc::EventOut& event);

/// Whether it is about one of these datasets or what lies below them; none: about anything.
bool concerns(const rpc::EventOut& event, const std::vector<std::string>& datasets);

}  // namespace zrepd::ctl
