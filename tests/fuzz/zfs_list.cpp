// SPDX-License-Identifier: BSD-2-Clause
// Listings that zfs prints, and what is read out of the properties in them.
#include <algorithm>
#include <set>

#include "common/props.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/plan/keep.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

void check_settings(const plan::Settings& settings) {
    expect(settings.retention.savecount >= prop::kMinSavecount, "the base is never expired");
    expect(settings.maxsnaps >= 1, "there is room for one snapshot");
    expect(!settings.interval || settings.interval->count() >= 1, "an interval is a time");
}

void check_pair(const Dataset& dataset, const plan::Self& self) {
    const auto pair = plan::pair_of(dataset, self);
    if (!pair) return;
    expect_no_option(pair->peer.str());
    expect_no_option(pair->peer_dataset.str());
    expect(pair->dataset == dataset.name, "a pair is of its dataset", dataset.name.str());
    expect(pair->role != plan::Role::master || dataset.local(prop::kMaster) == "yes",
           "only what is set here makes a master",
           dataset.name.str());
    for (const auto role : {plan::Role::master, plan::Role::target}) {
        if (const auto error = plan::unreadable_setting(dataset, role)) expect_error(*error);
    }
}

void check_dataset(const Dataset& dataset) {
    const plan::Self self{*HostName::parse("alpha")};
    expect_no_option(dataset.name.str());
    expect(dataset.guid.known(), "what is listed has an identity", dataset.name.str());
    for (const auto& [key, property] : dataset.props) {
        expect(key.starts_with("zrep:"), "only our own properties are kept", key);
        expect(property.source != Source::none, "a kept property is set somewhere", key);
        expect(property.value.find_first_of("\t\n") == std::string::npos,
               "a value is one field",
               property.value);
    }
    check_settings(plan::settings_of(dataset));
    check_pair(dataset, self);
    (void)plan::accepts(dataset, "beta");
    const auto entry = failover::entry_of(dataset);
    expect(failover::to_text(entry).find('\n') == std::string::npos, "a journal is one line");
    (void)failover::serve_of(dataset);
    (void)failover::serve_of_member(dataset);
    (void)failover::note_of(dataset);
    (void)failover::closed_note_of(dataset);
}

void check_datasets(std::string_view text) {
    const auto datasets = parse::datasets(text);
    if (!datasets) return expect_error(datasets.error());
    std::set<std::string> names;
    for (const Dataset& dataset : *datasets) {
        expect(names.insert(dataset.name.str()).second, "a name is listed once");
        check_dataset(dataset);
    }
}

bool in_order(const Versions& versions) {
    const auto older = [](const auto& a, const auto& b) { return a.createtxg < b.createtxg; };
    return std::is_sorted(versions.snapshots.begin(), versions.snapshots.end(), older) &&
           std::is_sorted(versions.bookmarks.begin(), versions.bookmarks.end(), older);
}

void check_versions(std::string_view text) {
    const auto all = parse::versions(text);
    if (!all) return expect_error(all.error());
    const auto grid = plan::parse_keep("24h:1h,30d:1d");
    for (const auto& [dataset, versions] : *all) {
        expect(in_order(versions), "versions are oldest first", dataset.str());
        for (const Snapshot& one : versions.snapshots) {
            expect(one.guid.known(), "a snapshot has an identity", one.name);
        }
        const auto kept = plan::kept_by_grid(versions, *grid);
        expect(kept.size() <= versions.snapshots.size(), "only what is there is kept");
    }
}

}  // namespace

int fuzz_zfs_list(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    check_datasets(text);
    check_versions(text);
    for (const SnapshotName& name : parse::foreign_holds(text)) expect_no_option(name.str());
    const auto guids = parse::guids(text);
    if (!guids) expect_error(guids.error());
    return 0;
}

std::vector<std::string> zfs_list_seeds(const std::string& data) {
    std::vector<std::string> out;
    for (const char* name : {"datasets.txt", "versions.txt"}) {
        const std::string text = file_text(data + "/zfs/" + name);
        // A fuzzer works on short ones; the records of a dataset stand together.
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', std::min(at + 1500, text.size()));
            out.push_back(text.substr(at, end == text.npos ? end : end + 1 - at));
            at = end == text.npos ? text.size() : end + 1;
        }
    }
    std::string pair = "tank\ttype\tfilesystem\t-\ntank\tguid\t7\t-\n";
    for (const auto key : prop::kOnDataset) {
        pair += "tank\t" + std::string(key) + "\t" +
                (key == prop::kMaster    ? "yes"
                 : key == prop::kSrcHost ? "alpha"
                                         : "tank") +
                "\tlocal\n";
    }
    out.push_back(pair);
    out.emplace_back("tank@zrep_000001\tzrep_base\tMon\ntank@b\tkeep\tTue\n");
    out.emplace_back("tank@zrep_000001\t11250957956063174366\n");
    return out;
}

std::vector<std::string> zfs_list_words() {
    std::vector<std::string> out{"\tlocal\n",
                                 "\treceived\n",
                                 "\tinherited from tank\n",
                                 "\tdefault\n",
                                 "\t-\t-\n",
                                 "tank/fs@zrep_000001",
                                 "tank/fs#zrep_7",
                                 "18446744073709551615",
                                 "filesystem",
                                 "volume",
                                 "yes",
                                 "on",
                                 "off",
                                 "lease",
                                 "24h:1h,30d:1d",
                                 "freezing base=7",
                                 "alpha",
                                 "beta"};
    for (const auto key : prop::kOnDataset) out.push_back("\t" + std::string(key) + "\t");
    for (const char* key :
         {"type",       "guid",      "written",     "readonly",   "canmount",
          "mountpoint", "volmode",   "origin",      "createtxg",  "creation",
          "userrefs",   "volsize",   "mounted",     "keystatus",  "encryption",
          "zrep:sent",  "numclones", "keylocation", "referenced", "receive_resume_token"}) {
        out.push_back("\t" + std::string(key) + "\t");
    }
    return out;
}

}  // namespace zrepd::fuzz
