// SPDX-License-Identifier: BSD-2-Clause
#include "common/rpc/message.hpp"

#include "common/rpc/fields.hpp"
#include "common/text.hpp"

namespace zrepd::rpc {
namespace {

Error invalid(std::string message) {
    return Error{.code = Code::invalid_request, .message = std::move(message)};
}

const std::string* text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

Result<Json> parse_object(std::string_view line, const JsonLimits& limits) {
    auto json = parse_json(line, limits);
    if (!json) return json;
    if (json->is_array()) return invalid("batches are not supported; send one object per line");
    if (!json->is_object()) return invalid("a message is a JSON object");
    const auto* version = text_at(*json, "jsonrpc");
    if (version == nullptr || *version != "2.0") return invalid("\"jsonrpc\" must be \"2.0\"");
    return json;
}

std::string line(const Json& json) {
    return dump_json(json) + "\n";
}

}  // namespace

Result<Request> parse_request(std::string_view text, const JsonLimits& limits) {
    auto json = parse_object(text, limits);
    if (!json) return json.error();
    for (const auto& [key, ignored] : json->items()) {
        if (key != "jsonrpc" && key != "id" && key != "method" && key != "params") {
            return invalid("unknown key " + quote(key));
        }
    }
    const auto id = json->find("id");
    if (id == json->end() || !(id->is_string() || id->is_number_integer())) {
        return invalid("a call has an \"id\": a string or a whole number");
    }
    if (id->is_string() && id->get_ref<const std::string&>().size() > 200) {
        return invalid("\"id\" is longer than 200 bytes");
    }
    const auto* method = text_at(*json, "method");
    if (method == nullptr) return invalid("\"method\" is missing");
    Request request{.id = *id, .method = *method};
    if (const auto params = json->find("params"); params != json->end()) {
        if (!params->is_object()) return invalid("\"params\" must be an object");
        request.params = std::move(*params);
    }
    return request;
}

Result<Message> parse_message(std::string_view text, const JsonLimits& limits) {
    auto json = parse_object(text, limits);
    if (!json) return json.error();
    Message message;
    if (const auto* method = text_at(*json, "method")) {
        message.method = *method;
        message.params = Json::object();
        const auto params = json->find("params");
        if (params != json->end()) message.params = std::move(*params);
        return message;
    }
    const auto id = json->find("id");
    if (id == json->end()) return invalid("neither a reply nor a notification");
    message.id = *id;
    if (const auto error = json->find("error"); error != json->end()) {
        message.error = error_from_json(*error);
    } else if (const auto result = json->find("result"); result != json->end()) {
        message.result = std::move(*result);
    } else {
        return invalid("a reply without result or error");
    }
    return message;
}

std::string request_line(const Request& request) {
    return line({{"jsonrpc", "2.0"},
                 {"id", request.id},
                 {"method", request.method},
                 {"params", request.params}});
}

std::string reply_line(const Json& id, const Json& result) {
    return line({{"jsonrpc", "2.0"}, {"id", id}, {"result", result}});
}

std::string error_line(const Json& id, const Error& error) {
    return line({{"jsonrpc", "2.0"}, {"id", id}, {"error", error_to_json(error)}});
}

std::string notification_line(std::string_view method, const Json& params) {
    return line({{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
}

Json error_to_json(const Error& error) {
    const CodeInfo& row = info(error.code);
    Json data = {{"kind", row.name}, {"retryable", row.retryable}};
    if (!error.remedy.empty()) data["remedy"] = error.remedy;
    if (!error.run_id.empty()) data["run_id"] = error.run_id;
    if (error.sys_errno) data["errno"] = *error.sys_errno;
    return {{"code", row.rpc}, {"message", error.text()}, {"data", std::move(data)}};
}

Error error_from_json(const Json& json) {
    Error error{.code = Code::internal, .message = "the other side sent a malformed error"};
    if (!json.is_object()) return error;
    const auto* message = text_at(json, "message");
    if (message != nullptr && !message->empty()) error.message = *message;
    const auto data = json.find("data");
    if (data == json.end() || !data->is_object()) return error;
    if (const auto* kind = text_at(*data, "kind")) {
        error.code = code_from_name(*kind).value_or(Code::internal);
    }
    if (const auto* remedy = text_at(*data, "remedy")) error.remedy = *remedy;
    if (const auto* run_id = text_at(*data, "run_id")) error.run_id = *run_id;
    if (const auto number = data->find("errno"); number != data->end()) {
        int value = 0;
        if (decode(*number, value, Strictness::reply, "errno")) error.sys_errno = value;
    }
    return error;
}

}  // namespace zrepd::rpc
