// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/lease.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::failover {
namespace {

constexpr std::string_view kWait = "wait=";
constexpr std::string_view kWitness = "witness=";
constexpr std::string_view kUnit = "ms";
constexpr std::string_view kOpen = "open";
constexpr std::string_view kNobody = "-";
constexpr std::string_view kOut = "out";
constexpr std::string_view kReadonlyHere = "readonly=here";

BootTime milliseconds(std::uint64_t count) {
    return BootTime(static_cast<BootTime::rep>(count));
}

/// Bounded, so that sums with it cannot overflow.
std::optional<BootTime> read_time(std::string_view text) {
    const auto count = parse_u64(text);
    if (!count || *count > (std::uint64_t{1} << 52)) return std::nullopt;
    return milliseconds(*count);
}

/// "EPOCH UNTIL WITNESS GUID DATASET"; the name comes last because it may contain spaces. An older
/// zrepd wrote no guid, which no name of a dataset looks like.
std::optional<std::pair<DatasetName, Lease>> read_lease(std::string_view line) {
    const auto words = split(line, ' ');
    if (words.size() < 4) return std::nullopt;
    const auto epoch = parse_u64(words[0]);
    const auto time = read_time(words[1]);
    auto before = words[0].size() + words[1].size() + words[2].size() + 3;
    const auto guid = parse_u64(words[3]);
    if (guid) before += words[3].size() + 1;
    if (before > line.size()) return std::nullopt;
    const auto name = DatasetName::parse(line.substr(before));
    if (!epoch || !name || (!time && words[1] != kOpen)) return std::nullopt;
    const std::string witness(words[2] == kNobody ? "" : words[2]);
    return std::pair(
        *name,
        Lease{.epoch = *epoch, .until = time, .witness = witness, .guid = Guid{guid.value_or(0)}});
}

}  // namespace

bool is_leased(const Dataset& dataset, const plan::Pair& pair) {
    return pair.role == plan::Role::master && pair.settings.fence == plan::Fence::lease &&
           dataset.kind == Kind::filesystem;
}

void confirm(Lease& lease, BootTime sent, BootTime time) {
    lease.until = std::max(lease.until.value_or(BootTime(0)), sent + time);
}

bool has_run_out(const Lease& lease, BootTime now) {
    return lease.until && now >= *lease.until;
}

bool is_at_risk(const Lease& lease, BootTime now, BootTime time) {
    return lease.until && !has_run_out(lease, now) && *lease.until - now < time / 4;
}

Lease after_start(const std::optional<Lease>& kept,
                  std::uint64_t epoch,
                  BootTime now,
                  BootTime time) {
    if (!kept || kept->epoch != epoch) return {.epoch = epoch, .until = now + time};
    if (!kept->until) return *kept;
    Lease out = *kept;
    out.until = std::min(*kept->until, now + time);
    return out;
}

bool may_confirm(const TargetState& here, std::uint64_t master_epoch) {
    // With any other journal it may become the master again without being asked to.
    const bool at_rest = here.journal == Journal::none || here.journal == Journal::rejoining;
    return here.target && at_rest && !here.becoming_master && here.epoch <= master_epoch;
}

BootTime free_at(BootTime started, std::optional<BootTime> confirmed, BootTime wait) {
    return std::max(started, confirmed.value_or(started)) + wait;
}

std::string to_text(const LeaseNote& note) {
    std::string out(kWait);
    out += std::to_string(note.wait.count());
    out += kUnit;
    if (note.open) out += " " + std::string(kOpen);
    if (!note.witness.empty()) out += " " + std::string(kWitness) + note.witness;
    return out;
}

LeaseNote read_note(std::string_view text) {
    LeaseNote out{.wait = wait_of(kLongestLease)};
    for (const auto word : split(text, ' ')) {
        if (word == kOpen) out.open = true;
        if (word.starts_with(kWitness)) out.witness = word.substr(kWitness.size());
        if (!word.starts_with(kWait) || !word.ends_with(kUnit)) continue;
        const auto digits = word.substr(kWait.size(), word.size() - kWait.size() - kUnit.size());
        const auto time = read_time(digits);
        if (time) out.wait = std::min(*time, wait_of(kLongestLease));
    }
    return out;
}

std::optional<LeaseNote> note_of(const Dataset& dataset) {
    const auto text = dataset.local(prop::kLease);
    if (!text || text->empty()) return std::nullopt;
    return read_note(*text);
}

std::string to_text(const ClosedNote& note) {
    std::string out(kOut);
    if (note.readonly_was_here) out += " " + std::string(kReadonlyHere);
    return out;
}

std::optional<ClosedNote> closed_note_of(const Dataset& dataset) {
    if (dataset.local(prop::kMaster) != "yes") return std::nullopt;
    const auto text = dataset.local(prop::kLease).value_or("");
    const auto words = split(text, ' ');
    if (words.empty() || words[0] != kOut) return std::nullopt;
    return ClosedNote{.readonly_was_here = words.size() > 1 && words[1] == kReadonlyHere};
}

std::string to_text(const LeaseList& leases, std::string_view boot) {
    std::string out(boot);
    out += "\n";
    for (const auto& [name, lease] : leases) {
        out += std::to_string(lease.epoch) + " ";
        out += lease.until ? std::to_string(lease.until->count()) : std::string(kOpen);
        out += " " + (lease.witness.empty() ? std::string(kNobody) : lease.witness);
        if (lease.guid.known()) out += " " + std::to_string(lease.guid.value);
        out += " " + name.str() + "\n";
    }
    return out;
}

LeaseList read_leases(std::string_view text, std::string_view boot) {
    LeaseList out;
    const auto lines = split(text, '\n');
    if (boot.empty() || lines.empty() || lines[0] != boot) return out;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        auto lease = read_lease(lines[i]);
        if (lease) out.insert(std::move(*lease));
    }
    return out;
}

}  // namespace zrepd::failover
