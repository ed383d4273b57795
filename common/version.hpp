// SPDX-License-Identifier: BSD-2-Clause
// What this build says it is. Defined in one file, which tests link anew with other values: a peer
// of another version.
#pragma once

#include <string_view>

namespace zrepd {

extern const std::string_view kBuildVersion;  ///< "0.1.0", as of CMakeLists.txt

namespace rpc {
/// What both sockets speak. The major number must match.
extern const std::string_view kProtocol;
}  // namespace rpc

}  // namespace zrepd
