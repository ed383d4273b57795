// SPDX-License-Identifier: BSD-2-Clause
// JSON-RPC 2.0 messages, one per line (docs/control-api.md, jsonrpc.org/specification). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/json.hpp"
#include "common/version.hpp"

namespace zrepd::rpc {

/// A request line longer than this is refused and the connection closed.
inline constexpr std::size_t kMaxRequestLine = std::size_t{1} << 20;
/// A reply may list every filesystem of a host; this is 1,000 pairs with room.
inline constexpr std::size_t kMaxReplyLine = std::size_t{64} << 20;

struct Request {
    Json id;  ///< a string or a whole number
    std::string method;
    Json params = Json::object();
};

/// What a server sends: a reply (id set) or a notification (method set).
struct Message {
    std::optional<Json> id;
    std::string method;
    Json params;
    Json result;
    std::optional<Error> error;
};

/// parse_error or invalid_request. A call without an id, and a batch, are invalid_request.
Result<Request> parse_request(std::string_view line, const JsonLimits& limits = {});
/// For clients; parse_error or invalid_request on what is no reply or notification.
Result<Message> parse_message(std::string_view line, const JsonLimits& limits = {});

// Each gives one line with its newline.
std::string request_line(const Request& request);
std::string reply_line(const Json& id, const Json& result);
std::string error_line(const Json& id, const Error& error);
std::string notification_line(std::string_view method, const Json& params);

/// An error's JSON form: code, message, data {kind, retryable, remedy, run_id, errno}.
Json error_to_json(const Error& error);
/// The inverse; an unknown kind becomes `internal` with the message kept.
Error error_from_json(const Json& json);

}  // namespace zrepd::rpc
