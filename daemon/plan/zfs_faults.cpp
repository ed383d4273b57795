// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/zfs_faults.hpp"

#include <array>
#include <optional>

#include "common/text.hpp"

namespace zrepd::plan {
namespace {

constexpr std::string_view kOldest = "2.1";

// Where each range is from: the issues and pull requests of OpenZFS, and its release notes.
//   #12594: reported for 2.1.1, closed by pull request 12981. #13709: the same error in 2.1.5;
//     "Handle and detect #13709's unlock regression" (14161) is in the notes of 2.1.7.
//   #5826: reported for 0.6.5.8 and 0.8.0-rc3; commit 9ccdb8becd, in 2.3.0, mends it. With 2.3.2 a
//     writer that stays gets EPERM.
//   #12614: open. Pull request 18910 says what a raw receive does to a key that is inherited.
// Not here, because zrepd does nothing that meets them: #13856 and #10995 take a full receive with
// -F onto a filesystem that exists, and #10234 is of 0.8. Nor #18557: `mount -o remount,rw` goes
// around readonly=on; 2.4.2 does not let it, which was taken for a regression (18563). What it does
// to a target is seen in the mount table, whatever the version.
constexpr std::array kFaults{
    ZfsFault{.before = "2.1.7",
             .touches = Touches::encrypted,
             .grave = true,
             .issue = "openzfs#12594, openzfs#13709",
             .what =
                 "an encrypted filesystem may not mount (Input/output error) after a raw stream "
                 "came back to it",
             .next = "upgrade OpenZFS to 2.1.7 or newer on both hosts before a failover"},
    ZfsFault{.before = "2.3",
             .touches = Touches::volume,
             .issue = "openzfs#5826",
             .what =
                 "a program that has a volume open goes on writing to it after readonly=on; what "
                 "it writes between the last look and the hand-over of a failover is lost",
             .next = "stop what uses a volume before its failover, by a pre-demote hook"},
    ZfsFault{
        .before = "",
        .touches = Touches::inherited_key,
        .issue = "openzfs#12614",
        .what = "a raw stream brings the sender's key with it: after a zfs change-key on the "
                "other side, a filesystem that inherits its key here cannot be mounted any more "
                "once that key is loaded anew",
        .next = "change no key while its pair exists, or make it an encryption root of its own "
                "first: zfs change-key, while it is the master"},
};

using Version = std::array<std::uint64_t, 3>;

std::optional<Version> version_in(std::string_view text) {
    Version out{};
    std::size_t at = 0;
    for (const auto part : split(text, '.')) {
        const auto number = parse_u64(part);
        if (!number) return std::nullopt;
        if (at < out.size()) out.at(at++) = *number;
    }
    return at < 2 ? std::nullopt : std::optional(out);
}

bool is_before(std::string_view version, std::string_view limit) {
    const auto is = version_in(version);
    return is && (limit.empty() || *is < *version_in(limit));
}

bool touches(const Dataset& dataset, Touches what) {
    switch (what) {
        case Touches::encrypted:
            return dataset.encrypted;
        case Touches::inherited_key:
            return dataset.encrypted && dataset.keylocation.empty();
        case Touches::volume:
            return dataset.kind == Kind::volume;
    }
    return false;
}

std::string_view name(Touches what) {
    switch (what) {
        case Touches::encrypted:
            return "encrypted filesystems";
        case Touches::inherited_key:
            return "inherited keys";
        case Touches::volume:
            return "volumes";
    }
    return "";
}

}  // namespace

std::vector<ZfsFault> faults_of(std::string_view version) {
    std::vector<ZfsFault> out;
    for (const ZfsFault& fault : kFaults) {
        if (is_before(version, fault.before)) out.push_back(fault);
    }
    return out;
}

bool is_too_old(std::string_view version) {
    return is_before(version, kOldest);
}

std::string summary_of(const std::vector<ZfsFault>& faults) {
    std::vector<std::string> out;
    for (const ZfsFault& fault : faults)
        out.push_back(std::string(name(fault.touches)) + " (" + std::string(fault.issue) + ")");
    return join(out, ", ");
}

const Dataset* first_touched(const ZfsFault& fault,
                             const std::map<DatasetName, Dataset>& all,
                             const std::vector<DatasetName>& sides) {
    for (const DatasetName& name : sides) {
        const auto found = all.find(name);
        if (found != all.end() && touches(found->second, fault.touches)) return &found->second;
    }
    return nullptr;
}

}  // namespace zrepd::plan
