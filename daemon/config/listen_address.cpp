// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/config/listen_address.hpp"

#include <sys/un.h>

#include <limits>

#include "common/text.hpp"

namespace zrepd::config {
namespace {

constexpr std::string_view kForms = "the path of a socket, 127.0.0.1:PORT or [::1]:PORT";

Error wrong(std::string_view text, std::string_view why) {
    return Error{.code = Code::invalid_params,
                 .message = "must be " + std::string(kForms) + ", not " + quote(text) +
                            (why.empty() ? "" : ": " + std::string(why))};
}

Result<ListenAddress> parse_path(std::string_view text) {
    if (text.size() >= sizeof(sockaddr_un::sun_path)) {
        return wrong(text, "a socket's path has at most 107 bytes");
    }
    if (text.ends_with('/')) return wrong(text, "that is a folder");
    return ListenAddress{.path = std::string(text)};
}

}  // namespace

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
    if (text.starts_with('/')) return parse_path(text);
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return wrong(text, "");
    const std::string_view where = text.substr(0, colon);
    const auto number = parse_u64(text.substr(colon + 1));
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return wrong(text, "a port is 1 to 65535");
    }
    const bool v6 = where == "[::1]";
    if (!v6 && where != "127.0.0.1") {
        return wrong(text, "only this host may ask; let a proxy with a password serve others");
    }
    return ListenAddress{.host = v6 ? "::1" : std::string(where),
                         .port = static_cast<std::uint16_t>(*number)};
}

std::string ListenAddress::text() const {
    if (!path.empty()) return path;
    return (host == "::1" ? "[::1]" : host) + ":" + std::to_string(port);
}

}  // namespace zrepd::config
