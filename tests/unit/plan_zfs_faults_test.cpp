// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/zfs_faults.hpp"

#include <gtest/gtest.h>

#include "common/text.hpp"

namespace zrepd::plan {
namespace {

std::string issues(std::string_view version) {
    std::vector<std::string> out;
    for (const ZfsFault& fault : faults_of(version)) {
        EXPECT_FALSE(fault.what.empty() || fault.next.empty()) << fault.issue;
        out.push_back((fault.grave ? "!" : "") + std::string(fault.issue));
    }
    return join(out, "; ");
}

TEST(ZfsFaults, AreThoseOfTheVersion) {
    const std::string raw = "!openzfs#12594, openzfs#13709";
    const std::string volumes = "openzfs#5826";
    const std::string keys = "openzfs#12614";
    const std::pair<const char*, std::string> table[] = {
        {"2.1.0", raw + "; " + volumes + "; " + keys},
        {"2.1.6", raw + "; " + volumes + "; " + keys},
        {"2.1.7", volumes + "; " + keys},
        {"2.1.11", volumes + "; " + keys},
        {"2.2.10", volumes + "; " + keys},
        {"2.3.0", keys},
        {"2.3", keys},
        {"2.10.1", keys},
        {"3.0.0", keys},
        {"", ""},
        {"2", ""},
        {"2.x", ""},
        {"2..1", ""},
        {"99999999999999999999.1", ""}};
    for (const auto& [version, expected] : table) EXPECT_EQ(issues(version), expected) << version;
}

TEST(ZfsFaults, TellWhatZrepdCannotWorkWith) {
    const std::pair<const char*, bool> table[] = {{"0.8.6", true},
                                                  {"2.0.7", true},
                                                  {"2.1.0", false},
                                                  {"2.1", false},
                                                  {"2.3.2", false},
                                                  {"10.0", false},
                                                  {"", false},
                                                  {"none", false}};
    for (const auto& [version, expected] : table)
        EXPECT_EQ(is_too_old(version), expected) << version;
}

TEST(ZfsFaults, AreSaidInOneLine) {
    EXPECT_EQ(summary_of(faults_of("2.1.11")),
              "volumes (openzfs#5826), inherited keys (openzfs#12614)");
    EXPECT_EQ(summary_of({}), "");
}

TEST(ZfsFaults, MatterToWhatIsReplicated) {
    std::map<DatasetName, Dataset> all;
    std::vector<DatasetName> sides;
    const auto add = [&](const char* text, bool side) -> Dataset& {
        const DatasetName name = *DatasetName::parse(text);
        if (side) sides.push_back(name);
        return all.emplace(name, Dataset(name)).first->second;
    };
    add("tank/plain", /*side=*/true);
    add("tank/others", /*side=*/false).encrypted = true;
    sides.push_back(*DatasetName::parse("tank/gone"));
    const auto touched = [&](Touches what) -> std::string {
        const Dataset* first = first_touched({.touches = what}, all, sides);
        return first == nullptr ? "" : first->name.str();
    };
    for (const auto what : {Touches::encrypted, Touches::inherited_key, Touches::volume})
        EXPECT_EQ(touched(what), "");
    Dataset& root = add("tank/root", /*side=*/true);
    root.encrypted = true;
    root.keylocation = "prompt";
    EXPECT_EQ(touched(Touches::encrypted), "tank/root");
    EXPECT_EQ(touched(Touches::inherited_key), "");
    add("tank/root/child", /*side=*/true).encrypted = true;
    EXPECT_EQ(touched(Touches::inherited_key), "tank/root/child");
    add("tank/vol", /*side=*/true).kind = Kind::volume;
    EXPECT_EQ(touched(Touches::volume), "tank/vol");
}

}  // namespace
}  // namespace zrepd::plan
