// SPDX-License-Identifier: BSD-2-Clause
// Histories of a dataset written as one line of text, for tests of what is decided from them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/plan/plan.hpp"

namespace zrepd::test {

inline DatasetName dataset_name(std::string_view text) {
    return DatasetName::parse(text).value();
}

namespace detail {

inline std::uint64_t number(std::string_view text) {
    const auto value = parse_u64(text);
    if (!value) throw std::invalid_argument("bad history: " + std::string(text));
    return *value;
}

inline Snapshot snapshot(std::string_view word, std::uint64_t createtxg) {
    const auto parts = split(word, '+');
    const std::size_t colon = parts[0].rfind(':');
    Snapshot out;
    out.name = parts[0].substr(1, colon - 1);
    out.guid = Guid{number(parts[0].substr(colon + 1))};
    out.createtxg = createtxg;
    for (std::size_t i = 1; i < parts.size(); ++i) {
        switch (parts[i].at(0)) {
            case 's':
                out.sent = 1'700'000'000;
                break;
            case 'h':
                out.held = true;
                break;
            case 'c':
                out.cloned = true;
                break;
            case 'w':
                out.written_bytes = number(parts[i].substr(1));
                break;
            default:
                throw std::invalid_argument("bad flag: " + std::string(parts[i]));
        }
    }
    return out;
}

}  // namespace detail

/// snaps("@zrep_000001:1+s @b:2+w10 #zrep_1:1"), oldest first. After the guid: +s acknowledged,
/// +h held, +c cloned, +w10 ten bytes written. A bookmark has its snapshot's createtxg when that is
/// in the text, otherwise the one of its own position.
inline Versions snaps(std::string_view text) {
    Versions out;
    std::uint64_t txg = 0;
    for (const auto word : split(text, ' ')) {
        if (word.empty()) continue;
        txg += 10;
        const Snapshot one = detail::snapshot(word, txg);
        if (word.front() == '@') {
            out.snapshots.push_back(one);
        } else {
            const Snapshot* made_from = find_snapshot(out, one.guid);
            out.bookmarks.push_back(
                {one.name, one.guid, made_from == nullptr ? txg : made_from->createtxg});
        }
    }
    return out;
}

/// A master with room, as one that was set up by `zrepctl init tank/fs beta backup/fs`.
inline Dataset master(std::uint64_t written_bytes) {
    Dataset out(dataset_name("tank/fs"));
    out.written_bytes = written_bytes;
    out.available_bytes = std::uint64_t{1} << 40;
    const auto set = [&](std::string_view key, std::string value) {
        out.props[std::string(key)] = {std::move(value), Source::local};
    };
    set(prop::kSrcHost, "alpha");
    set(prop::kSrcFs, "tank/fs");
    set(prop::kDestHost, "beta");
    set(prop::kDestFs, "backup/fs");
    set(prop::kMaster, "yes");
    set(prop::kEpoch, "1");
    return out;
}

/// Its target, untouched.
inline plan::TargetView target(std::string_view history) {
    plan::TargetView out;
    out.exists = true;
    out.is_pair = true;
    out.guid = Guid{1000};
    out.epoch = 1;
    out.available_bytes = std::uint64_t{1} << 40;
    out.snapshots = snaps(history).snapshots;
    return out;
}

}  // namespace zrepd::test
