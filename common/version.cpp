// SPDX-License-Identifier: BSD-2-Clause
#include "common/version.hpp"

namespace zrepd {

constinit const std::string_view kBuildVersion = ZREPD_VERSION;

namespace rpc {
constinit const std::string_view kProtocol = ZREPD_PROTOCOL;
}  // namespace rpc

}  // namespace zrepd
