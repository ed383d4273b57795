// SPDX-License-Identifier: BSD-2-Clause
// The commands with which this system's service manager starts zrepd and tells of it: words for
// remedies, nothing is run.
#pragma once

#include "common/platform.hpp"

namespace zrepd::ctl::service_manager {

constexpr const char* of(const char* systemd, const char* smf) {
    return platform::kHasSmf ? smf : systemd;
}

inline constexpr const char* kStart = of("systemctl start zrepd", "svcadm enable zrepd");
inline constexpr const char* kRestart = of("systemctl restart zrepd", "svcadm restart zrepd");
inline constexpr const char* kState = of("systemctl status zrepd", "svcs -x zrepd");
inline constexpr const char* kLog = of("journalctl -u zrepd", "tail $(svcs -L zrepd)");

}  // namespace zrepd::ctl::service_manager
