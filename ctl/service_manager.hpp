// SPDX-License-Identifier: BSD-2-Clause
// The commands with which this system's service manager starts zrepd and tells of it: words for
// remedies, nothing is run.
#pragma once

namespace zrepd::ctl::service_manager {

#ifdef __sun
inline constexpr const char* kStart = "svcadm enable zrepd";
inline constexpr const char* kRestart = "svcadm restart zrepd";
inline constexpr const char* kState = "svcs -x zrepd";
inline constexpr const char* kLog = "tail $(svcs -L zrepd)";
#else
inline constexpr const char* kStart = "systemctl start zrepd";
inline constexpr const char* kRestart = "systemctl restart zrepd";
inline constexpr const char* kState = "systemctl status zrepd";
inline constexpr const char* kLog = "journalctl -u zrepd";
#endif

}  // namespace zrepd::ctl::service_manager
