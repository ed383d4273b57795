// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/pair.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "daemon/plan/accept.hpp"
#include "daemon/sched/due.hpp"

namespace zrepd::plan {
namespace {

// More snapshots than anybody keeps: a larger number is a typing error.
constexpr std::uint64_t kMaxCount = 1'000'000;

Error bad_setting(std::string_view key, std::string_view value, std::string why) {
    return Error{.code = Code::invalid_params,
                 .message = std::string(key) + "=" + quote(value) + ": " + std::move(why)};
}

/// An interval that switches an inherited one off; ZFS has no other way to say so.
bool only_on_request(std::string_view interval) {
    std::string lower(interval);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower == "none" || lower == "off";
}

Result<std::string> check_interval(std::string_view value) {
    if (only_on_request(value)) return std::string("none");
    auto time = parse_duration(value);
    if (!time) {
        Error wrong = time.error();
        wrong.remedy += "; none: only on request";
        return std::move(wrong).in(std::string(prop::kInterval));
    }
    if (time->count() < 1) return bad_setting(prop::kInterval, value, "it must be at least 1s");
    return format_duration(*time);
}

Result<std::string> check_count(std::string_view key, std::string_view value, unsigned least) {
    const auto number = parse_u64(value);
    if (!number || *number < least || *number > kMaxCount) {
        return bad_setting(key,
                           value,
                           "it must be a number from " + std::to_string(least) + " to " +
                               std::to_string(kMaxCount));
    }
    return std::to_string(*number);
}

Result<std::string> check_accept(std::string_view value) {
    for (const auto& host : host_list(value)) {
        auto parsed = HostName::parse(host);
        if (!parsed) return parsed.error().in("zrep:accept");
    }
    return join(host_list(value), ",");
}

Result<std::string> check_value(std::string_view key, std::string_view value) {
    if (key == prop::kSavecount) return check_count(key, value, prop::kMinSavecount);
    if (key == prop::kMaxsnaps) return check_count(key, value, 1);
    if (key == prop::kAccept) return check_accept(value);
    if (key == prop::kInterval) return check_interval(value);
    if (key == prop::kPaused) {
        if (value == "yes" || value == "no" || from_rfc3339(value)) return std::string(value);
        return bad_setting(key, value, "it must be yes, no, or a time like 2026-03-01T12:00:00Z");
    }
    if (key == prop::kKeep) {
        const auto grid = parse_keep(value);
        if (!grid) return grid.error();
        return to_text(*grid);
    }
    if (key == prop::kFence) {
        if (value == "off" || value == "boot" || value == "lease") return std::string(value);
        return bad_setting(key, value, "it must be off, boot or lease");
    }
    const auto bytes = parse_bytes(value);  // limit and minfree
    if (!bytes) return bytes.error().in(std::string(key));
    return std::to_string(*bytes);
}

/// What settings_of() takes in place of a value that it cannot read.
std::string instead_of(std::string_view key, const Settings& settings) {
    if (key == prop::kSavecount && !settings.retention.everything)
        return std::to_string(settings.retention.savecount) + " counts instead";
    if (key == prop::kMaxsnaps) return std::to_string(settings.maxsnaps) + " counts instead";
    if (key == prop::kInterval) return "nothing is scheduled";
    if (key == prop::kPaused) return "it counts as yes";
    if (key == prop::kFence) return "it counts as boot";
    if (key == prop::kKeep || key == prop::kSavecount) return "nothing expires";
    return "no limit counts instead";
}

std::string_view example_of(std::string_view key) {
    if (key == prop::kSavecount) return "5";
    if (key == prop::kMaxsnaps) return "1";
    if (key == prop::kInterval) return "10m";
    if (key == prop::kPaused) return "yes";
    if (key == prop::kFence) return "boot";
    if (key == prop::kKeep) return "24h:1h,30d:1d";
    return key == prop::kMinfree ? "5G" : "10M";
}

bool is_readable(std::string_view key, std::string_view value) {
    // More words for a pause are read than zrepctl writes: a shell zrep has its own.
    if (key == prop::kPaused)
        return sched::read_pause(value).kind != sched::Pause::Kind::unreadable;
    return check_value(key, value).has_value();
}

Error unreadable(const Dataset& dataset, std::string_view key, const std::string& value) {
    const std::string name(key);
    const auto checked = check_value(key, value);
    const std::string why = checked ? "" : checked.error().text();
    const bool here = dataset.props.find(key)->second.source != Source::inherited;
    const std::string where = here ? quote(dataset.name.str()) : "DATASET";
    std::string remedy = "zrepctl set " + where + " " + name + "=" + std::string(example_of(key)) +
                         ", or the value that you want";
    if (!here) {
        remedy +=
            "; DATASET is where it comes from: zfs get " + name + " " + quote(dataset.name.str());
    }
    return Error{.code = Code::invalid_params,
                 .message = why + "; " + instead_of(key, settings_of(dataset)),
                 .remedy = std::move(remedy)};
}

}  // namespace

std::string_view role_name(Role role) {
    switch (role) {
        case Role::master:
            return "master";
        case Role::target:
            return "target";
        case Role::initializing:
            return "initializing";
    }
    return "unknown";
}

std::string_view fence_name(Fence fence) {
    switch (fence) {
        case Fence::off:
            return "off";
        case Fence::boot:
            return "boot";
        case Fence::lease:
            return "lease";
    }
    return "unknown";
}

std::string sync_by_master(const Pair& target) {
    return "on " + target.peer.str() + ": zrepctl sync " + quote(target.peer_dataset.str());
}

Settings settings_of(const Dataset& dataset) {
    Settings out;
    const auto number = [&](std::string_view key) -> std::optional<std::uint64_t> {
        const auto text = dataset.effective(key);
        return text ? parse_u64(*text) : std::nullopt;
    };
    if (const auto count = number(prop::kSavecount)) {
        const auto bounded = std::min(*count, kMaxCount);
        out.retention.savecount = std::max(prop::kMinSavecount, static_cast<unsigned>(bounded));
    }
    // Whoever wrote something that is no number may have wanted a large one, and what has expired
    // does not come back.
    out.retention.everything =
        dataset.effective(prop::kSavecount).has_value() && !number(prop::kSavecount);
    if (const auto text = dataset.effective(prop::kKeep)) {
        auto grid = parse_keep(*text);
        out.retention.everything = out.retention.everything || !grid;
        if (grid) out.retention.keep = std::move(*grid);
    }
    if (const auto text = dataset.effective(prop::kInterval)) {
        const auto interval = parse_duration(*text);  // none is no duration
        if (interval && interval->count() >= 1) out.interval = *interval;
    }
    out.paused = dataset.effective(prop::kPaused).value_or("");
    const auto bytes = [&](std::string_view key) -> std::uint64_t {
        const auto text = dataset.effective(key);
        if (!text) return 0;
        const auto parsed = parse_bytes(*text);
        return parsed ? *parsed : 0;
    };
    out.limit_bytes_per_second = bytes(prop::kLimit);
    out.minfree_bytes = bytes(prop::kMinfree);
    if (const auto count = number(prop::kMaxsnaps); count && *count >= 1) {
        out.maxsnaps = static_cast<unsigned>(std::min(*count, kMaxCount));
    }
    // Whoever wrote something wanted a fence.
    const auto fence = dataset.effective(prop::kFence).value_or("off");
    if (fence != "off") out.fence = fence == "lease" ? Fence::lease : Fence::boot;
    return out;
}

std::optional<Error> unreadable_setting(const Dataset& dataset, Role role) {
    for (const std::string_view key : prop::kSettings) {
        // Not of a pair, but of the filesystem above; and a target only counts its snapshots.
        if (key == prop::kAccept) continue;
        const bool of_both = key == prop::kSavecount || key == prop::kKeep;
        if (role == Role::target && !of_both) continue;
        const auto value = dataset.effective(key);
        if (value && !is_readable(key, *value)) return unreadable(dataset, key, *value);
    }
    return std::nullopt;
}

bool is_other_side(const Pair& pair,
                   const Self& self,
                   std::string_view peer,
                   std::string_view source) {
    const bool same_host = pair.peer.short_name() == peer || (self.is(pair.peer) && self.is(peer));
    return same_host && pair.peer_dataset.str() == source;
}

std::optional<Pair> pair_of(const Dataset& dataset, const Self& self) {
    const auto src_host = dataset.own(prop::kSrcHost);
    const auto src_fs = dataset.own(prop::kSrcFs);
    const auto dest_host = dataset.own(prop::kDestHost);
    const auto dest_fs = dataset.own(prop::kDestFs);
    if (!src_host || !src_fs || !dest_host || !dest_fs) return std::nullopt;
    const bool is_source = *src_fs == dataset.name.str() && self.is(*src_host);
    const bool is_target = *dest_fs == dataset.name.str() && self.is(*dest_host);
    if (is_source == is_target) return std::nullopt;
    auto peer = HostName::parse(is_source ? *dest_host : *src_host);
    auto peer_dataset = DatasetName::parse(is_source ? *dest_fs : *src_fs);
    if (!peer || !peer_dataset) return std::nullopt;
    if (self.is(*peer)) peer = HostName::parse("localhost");
    Role role = Role::target;
    if (is_source) {
        role = dataset.local(prop::kMaster) == "yes" ? Role::master : Role::initializing;
    }
    const auto epoch = parse_u64(dataset.own(prop::kEpoch).value_or("0"));
    Pair out{.dataset = dataset.name,
             .role = role,
             .peer = *peer,
             .peer_dataset = *peer_dataset,
             .epoch = epoch.value_or(0),
             .settings = settings_of(dataset),
             .tree = dataset.own(prop::kTree) == "on"};
    // It would close the root and leave what lies below it open (ADR 0015).
    if (out.tree) out.settings.fence = Fence::off;
    return out;
}

Result<std::pair<std::string, std::string>> check_setting(std::string_view key,
                                                          std::string_view value) {
    const std::string full =
        key.starts_with("zrep:") ? std::string(key) : "zrep:" + std::string(key);
    if (std::find(prop::kSettings.begin(), prop::kSettings.end(), full) == prop::kSettings.end()) {
        std::string known;
        for (const auto name : prop::kSettings)
            known += (known.empty() ? "" : ", ") + std::string(name);
        return Error{.code = Code::invalid_params,
                     .message = quote(key) + " is not a setting",
                     .remedy = "settings are " + known};
    }
    if (value.empty()) return std::pair(full, std::string());
    auto checked = check_value(full, value);
    if (!checked) return checked.error();
    return std::pair(full, *checked);
}

}  // namespace zrepd::plan
