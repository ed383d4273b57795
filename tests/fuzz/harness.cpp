// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/harness.hpp"

#include <fstream>
#include <sstream>

#include "common/text.hpp"

namespace zrepd::fuzz {
namespace {

// A name twice, a path, what was said, a remedy: more is no line that anybody reads.
constexpr std::size_t kMaxErrorText = 8000;

void expect_line(std::string_view text) {
    expect(is_utf8(text), "an error's text is UTF-8", text);
    expect(text.size() <= kMaxErrorText, "an error's text is bounded", text);
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view next = rest.substr(0, utf8_length(rest));
        expect(!is_control(next), "an error's text has no control characters", text);
        rest.remove_prefix(next.size());
    }
}

}  // namespace

void expect(bool holds, std::string_view promise, std::string_view what) {
    if (holds) return;
    throw Broken(std::string(promise) + ": " + quote(what, 2000));
}

void expect_error(const Error& error) {
    expect(!error.message.empty(), "an error says what is wrong", info(error.code).name);
    expect(error.code != Code::internal, "no input is a bug of ours", error.message);
    expect_line(error.text());
    expect_line(error.remedy);
}

void expect_no_option(std::string_view word) {
    expect(!word.empty() && word.front() != '-', "a name is no option", word);
}

std::string_view as_text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

std::string file_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace zrepd::fuzz
