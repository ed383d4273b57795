// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/pairs.hpp"

#include <algorithm>
#include <chrono>

#include "common/units.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::uint64_t kAlmost = 99;
// Nobody waits for what takes a year: that is a stream that hardly moves.
constexpr std::uint64_t kLongestLeft = 365ULL * 86400;

/// Seconds from `a` to `b`; nullopt when either is no time.
std::optional<std::chrono::seconds> between(const std::string& a, const std::string& b) {
    const auto from = from_rfc3339(a);
    const auto to = from_rfc3339(b);
    if (!from || !to) return std::nullopt;
    return std::chrono::seconds(*to - *from);
}

/// Nothing but bytes that move has a size and a rate.
bool moves(const rpc::Progress& progress) {
    return progress.bytes != 0 || progress.phase == "sending" || progress.phase == "receiving";
}

}  // namespace

std::string in_from_now(const std::string& now, const std::string& then) {
    const auto left = between(now, then);
    if (!left) return then;
    return left->count() <= 0 ? "now" : "in " + human_duration(*left);
}

std::string ago(const std::string& now, const std::string& then) {
    const auto age = between(then, now);
    if (!age) return then;
    // Ahead of us by a little: the clock was read before. By much: worth seeing.
    return age->count() <= 0 && age->count() > -60 ? "now" : human_duration(*age) + " ago";
}

std::string state_of(const rpc::PairStatus& pair) {
    std::string out = pair.health == "split_brain" ? "SPLIT BRAIN" : pair.health;
    if (pair.peer_state == "unreachable") out += ", peer unreachable";
    if (pair.running) {
        out += ", " + pair.running->phase + " " + human_bytes(pair.running->bytes);
        const auto percent = percent_of(*pair.running);
        if (percent && pair.running->bytes != 0) out += " (" + std::to_string(*percent) + "%)";
    }
    if (pair.paused) out += ", paused";
    if (pair.fenced) out += ", fenced";
    if (pair.warning && pair.warning->kind != pair.health) out += ", " + pair.warning->kind;
    return out;
}

std::optional<unsigned> percent_of(const rpc::Progress& progress) {
    if (!progress.expected_bytes || *progress.expected_bytes == 0) return std::nullopt;
    const double part =
        static_cast<double>(progress.bytes) / static_cast<double>(*progress.expected_bytes) * 100;
    return static_cast<unsigned>(std::min(part, static_cast<double>(kAlmost)));
}

std::optional<std::int64_t> seconds_left(const rpc::Progress& progress) {
    const std::uint64_t rate = progress.rate_bytes_per_second;
    if (!progress.expected_bytes || rate == 0) return std::nullopt;
    if (*progress.expected_bytes <= progress.bytes) return std::nullopt;
    const std::uint64_t left = (*progress.expected_bytes - progress.bytes) / rate;
    if (left > kLongestLeft) return std::nullopt;
    return static_cast<std::int64_t>(left);
}

std::string numbers_of(const rpc::Progress& progress) {
    std::string out;
    const auto percent = percent_of(progress);
    // Before the first byte 0 % would be a promise.
    const bool known = percent && moves(progress) && progress.bytes != 0;
    if (known) out = std::to_string(*percent) + "%, ";
    out += human_bytes(progress.bytes);
    const bool fits = known && *progress.expected_bytes > progress.bytes;
    if (fits) out += " of about " + human_bytes(*progress.expected_bytes);
    if (progress.rate_bytes_per_second != 0)
        out += ", " + human_bytes(progress.rate_bytes_per_second) + "/s";
    const auto left = seconds_left(progress);
    if (known && left) out += ", " + human_duration(std::chrono::seconds(*left)) + " left";
    return out;
}

rpc::StatusOut aged(rpc::StatusOut status, UnixSeconds now) {
    const auto said = from_rfc3339(status.time);
    if (!said || now <= *said) return status;
    for (auto& pair : status.pairs) {
        if (pair.lag_seconds) *pair.lag_seconds += now - *said;
    }
    status.time = to_rfc3339(now);
    return status;
}

}  // namespace zrepd::ctl
