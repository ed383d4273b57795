// SPDX-License-Identifier: BSD-2-Clause
// Lines of a client on the control socket, up to where a method would be called.
#include "common/rpc/message.hpp"
#include "common/text.hpp"
#include "daemon/control/lines.hpp"
#include "daemon/control/registry.hpp"
#include "tests/fuzz/lines.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

// Short enough that a fuzzer reaches it; the socket's own is a parameter of the same code.
constexpr std::size_t kLineLimit = 700;

void take_all(control::LineBuffer& buffer, std::vector<std::string>& lines) {
    while (auto line = buffer.take()) {
        expect(line->size() <= kLineLimit, "no line is longer than the limit", *line);
        expect(line->find('\n') == line->npos, "a line has no newline", *line);
        lines.push_back(std::move(*line));
    }
}

/// The lines are the same in whatever pieces they come.
std::vector<std::string> lines_of(std::string_view text) {
    control::LineBuffer whole(kLineLimit);
    std::vector<std::string> lines;
    whole.append(text);
    take_all(whole, lines);
    control::LineBuffer pieces(kLineLimit);
    std::vector<std::string> again;
    for (const auto piece : in_pieces(text)) {
        pieces.append(piece);
        take_all(pieces, again);
    }
    expect(lines == again && whole.too_long() == pieces.too_long(),
           "lines do not depend on the pieces that they come in",
           text);
    return lines;
}

/// What the client is told can be read by it.
void expect_told(const Json& id, const Error& error) {
    expect_error(error);
    const std::string line = rpc::error_line(id, error);
    expect(line.find('\n') == line.size() - 1, "an answer is one line", line);
    const auto told = rpc::parse_message(line);
    expect(
        told && told->error && told->error->code == error.code, "an error arrives as it was", line);
}

void expect_same_again(const rpc::Request& request) {
    const std::string line = rpc::request_line(request);
    const auto again = rpc::parse_request(line);
    expect(again && again->method == request.method && again->id == request.id &&
               again->params == request.params,
           "a request that is written and read is the same",
           line);
}

void answer(const std::string& line) {
    const auto request = rpc::parse_request(line);
    if (!request) return expect_told(nullptr, request.error());
    expect(request->id.is_string() || request->id.is_number_integer(), "an id is one", line);
    expect(request->params.is_object(), "params are an object", line);
    expect_same_again(*request);
    const control::Method* method = control::find_method(request->method);
    if (method == nullptr) return;
    const auto checked = method->check(request->params);
    if (checked) return;
    expect(checked.error().code == Code::invalid_params, "wrong params are told as such", line);
    expect_told(request->id, checked.error());
}

void add_keys(const Json& schema, std::vector<std::string>& out) {
    const auto properties = schema.find("properties");
    if (properties == schema.end()) return;
    for (const auto& [key, one] : properties->items()) {
        out.push_back("\"" + key + "\":");
        add_keys(one.contains("items") ? one["items"] : one, out);
    }
}

}  // namespace

int fuzz_control(const std::uint8_t* data, std::size_t size) {
    for (const std::string& line : lines_of(as_text(data, size))) answer(line);
    return 0;
}

std::vector<std::string> control_seeds(const std::string&) {
    std::vector<std::string> out;
    for (const control::Method& method : control::methods()) {
        out.push_back(request_of(std::string(method.name), std::string(method.example)));
    }
    return out;
}

std::vector<std::string> control_words() {
    std::vector<std::string> out = message_words();
    for (const control::Method& method : control::methods()) {
        out.push_back("\"" + std::string(method.name) + "\"");
        add_keys(method.in_schema(), out);
    }
    return out;
}

}  // namespace zrepd::fuzz
