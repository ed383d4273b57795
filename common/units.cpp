// SPDX-License-Identifier: BSD-2-Clause
#include "common/units.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "common/text.hpp"

namespace zrepd {
namespace {

struct Unit {
    char letter;
    std::int64_t seconds;
};
constexpr std::array kUnits{
    Unit{'w', 604800}, Unit{'d', 86400}, Unit{'h', 3600}, Unit{'m', 60}, Unit{'s', 1}};
// Ten years: longer is a typing error, and shorter than any overflow.
constexpr std::int64_t kMaxSeconds = 10LL * 366 * 86400;

Error bad(std::string_view what, std::string_view text, std::string_view example) {
    return Error{.code = Code::invalid_params,
                 .message = quote(text) + " is not a " + std::string(what),
                 .remedy = "write it like " + std::string(example)};
}

}  // namespace

Result<std::chrono::seconds> parse_duration(std::string_view text) {
    const Error wrong = bad("duration", text, "30s, 10m, 1h or 1d");
    if (text.empty()) return wrong;
    std::int64_t factor = 1;
    std::string_view digits = text;
    for (const Unit& unit : kUnits) {
        if (text.back() == unit.letter) {
            factor = unit.seconds;
            digits.remove_suffix(1);
            break;
        }
    }
    const auto number = parse_u64(digits);
    if (!number || *number > static_cast<std::uint64_t>(kMaxSeconds / factor)) return wrong;
    return std::chrono::seconds(static_cast<std::int64_t>(*number) * factor);
}

std::string format_duration(std::chrono::seconds value) {
    for (const Unit& unit : kUnits) {
        if (value.count() != 0 && value.count() % unit.seconds == 0) {
            return std::to_string(value.count() / unit.seconds) + unit.letter;
        }
    }
    return "0s";
}

std::string human_duration(std::chrono::seconds value) {
    const std::int64_t s = std::abs(value.count());
    const std::string sign = value.count() < 0 ? "-" : "";
    const auto two = [&](std::int64_t big, const char* a, std::int64_t small, const char* b) {
        std::string out = sign + std::to_string(big) + " " + a;
        if (small != 0) out += " " + std::to_string(small) + " " + b;
        return out;
    };
    if (s < 60) return sign + std::to_string(s) + " s";
    if (s < 3600) return two(s / 60, "min", s % 60, "s");
    if (s < 86400) return two(s / 3600, "h", s / 60 % 60, "min");
    return two(s / 86400, "d", s / 3600 % 24, "h");
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    const Error wrong = bad("size", text, "500, 64K, 10M, 1.5G or 2T");
    std::string_view rest = text;
    if (rest.ends_with("iB"))
        rest.remove_suffix(2);
    else if (rest.ends_with("B"))
        rest.remove_suffix(1);
    rest = trim(rest);
    if (rest.empty()) return wrong;
    constexpr std::string_view kLetters = "KMGTPE";
    double factor = 1;
    const std::size_t power = kLetters.find(rest.back() == 'k' ? 'K' : rest.back());
    if (power != kLetters.npos) {
        factor = std::pow(1024.0, static_cast<double>(power + 1));
        rest = trim(rest.substr(0, rest.size() - 1));
    }
    if (const auto whole = parse_u64(rest); whole && factor == 1) return *whole;
    double number = 0;
    const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (ec != std::errc{} || end != rest.data() + rest.size() || !(number >= 0)) return wrong;
    const double bytes = number * factor;
    if (bytes >= 9.2e18) return wrong;
    return static_cast<std::uint64_t>(bytes);
}

std::string human_bytes(std::uint64_t bytes) {
    constexpr std::array kNames{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < kNames.size()) {
        value /= 1024;
        ++unit;
    }
    char out[32];
    std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
    return out;
}

}  // namespace zrepd
