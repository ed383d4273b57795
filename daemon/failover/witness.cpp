// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/witness.hpp"

#include <array>

#include "common/text.hpp"

namespace zrepd::failover {
namespace {

constexpr std::string_view kMagic = "zrepd-lease-1";

/// FNV-1a: against a half-written block, not against people.
std::uint64_t sum_of(std::string_view text, std::uint64_t seed) {
    std::uint64_t out = 14695981039346656037ULL ^ seed;
    for (const char c : text) {
        out ^= static_cast<unsigned char>(c);
        out *= 1099511628211ULL;
    }
    return out;
}

std::string hex(std::uint64_t value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15U];
    return out;
}

}  // namespace

std::string to_text(const Record& record) {
    std::string out(kMagic);
    out += " " + std::to_string(record.epoch) + (record.holds ? " holds " : " follows ");
    out += std::to_string(record.count) + " " + record.side + "\n";
    return out + hex(sum_of(out, 0)) + "\n";
}

std::optional<Record> parse_record(std::string_view text) {
    const auto end = text.find('\n');
    if (end == text.npos || text.substr(end + 1) != hex(sum_of(text.substr(0, end + 1), 0)) + "\n")
        return std::nullopt;
    const auto words = split(text.substr(0, end), ' ');
    if (words.size() < 5 || words[0] != kMagic) return std::nullopt;
    const auto epoch = parse_u64(words[1]);
    const auto count = parse_u64(words[3]);
    const bool holds = words[2] == "holds";
    if (!epoch || !count || (!holds && words[2] != "follows")) return std::nullopt;
    const auto before = words[0].size() + words[1].size() + words[2].size() + words[3].size() + 4;
    return Record{.side = std::string(text.substr(before, end - before)),
                  .epoch = *epoch,
                  .holds = holds,
                  .count = *count};
}

Sides sides_of(const plan::Pair& pair, const plan::Self& self) {
    return {.ours = self.host.short_name() + ":" + pair.dataset.str(),
            .theirs = (self.is(pair.peer) ? self.host : pair.peer).short_name() + ":" +
                      pair.peer_dataset.str()};
}

std::string record_name(const std::string& side, const std::string& other) {
    const std::string both = side + "\n" + other;
    return hex(sum_of(both, 0)) + hex(sum_of(both, 0x9e3779b97f4a7c15ULL)) + ".lease";
}

Holding holding(std::uint64_t epoch, const std::optional<Record>& theirs) {
    if (!theirs) return Holding::unknown;
    return theirs->holds && theirs->epoch > epoch ? Holding::overtaken : Holding::confirmed;
}

void observe(Watch& watch, const Record& seen, BootTime now) {
    if (watch.last == seen) return;
    if (watch.last) ++watch.changes;
    watch.last = seen;
    watch.since = now;
}

bool is_free(const Watch& watch, BootTime now, BootTime wait) {
    return watch.last && now - watch.since >= wait;
}

}  // namespace zrepd::failover
