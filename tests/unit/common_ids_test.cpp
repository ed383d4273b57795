// SPDX-License-Identifier: BSD-2-Clause
#include "common/ids.hpp"
#include "common/text.hpp"

#include <gtest/gtest.h>

namespace zrepd {
namespace {

TEST(DatasetName, TakesWhatZfsTakes) {
    const std::string longest = "tank/" + std::string(250, 'x');
    ASSERT_EQ(longest.size(), kMaxDatasetName);
    const std::string good[] = {"tank",
                                "tank/a",
                                "tank/a b",
                                "tank/a:b",
                                "tank/a.b-c_d",
                                "tank/-F",
                                "tank/...",
                                "tank/1",
                                "T9/x/y/z",
                                longest};
    for (const auto& name : good) {
        const auto parsed = DatasetName::parse(name);
        ASSERT_TRUE(parsed) << parsed.error().text();
        EXPECT_EQ(parsed->str(), name);
    }
}

TEST(DatasetName, RefusesWhatCouldBecomeSomethingElse) {
    using namespace std::string_literals;
    const std::string bad[] = {"",          "-F",       "-",
                               "/tank",     "tank/",    "tank//a",
                               "tank/.",    "tank/..",  "../tank",
                               "tank/a'b",  "tank/\"",  "tank/a\nb",
                               "tank/a\tb", "a\0b"s,    "tank@snap",
                               "tank#mark", "tank/a@b", "tank/%recv",
                               "1tank",     " tank",    "tank/$(x)",
                               "tank/a;b",  "tank/ä",   "tank/a\xff",
                               "tank/*",    "tank/a,b", "tank/" + std::string(251, 'x')};
    for (const auto& name : bad) {
        const auto parsed = DatasetName::parse(name);
        ASSERT_FALSE(parsed) << name;
        EXPECT_EQ(parsed.error().code, Code::invalid_params);
        EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos) << "not fit for a log line";
    }
}

TEST(DatasetName, SaysWhatIsWrong) {
    EXPECT_NE(DatasetName::parse("tank/a@b").error().text().find("snapshot"), std::string::npos);
    EXPECT_NE(DatasetName::parse("tank/a#b").error().text().find("bookmark"), std::string::npos);
    EXPECT_EQ(DatasetName::parse("tank/a\nb").error().message,
              "dataset name 'tank/a\\x0ab' is not valid: character '\\x0a' is not allowed");
}

TEST(DatasetName, KnowsItsPoolAndParent) {
    const DatasetName name = DatasetName::parse("tank/a/b").value();
    EXPECT_EQ(name.pool(), "tank");
    EXPECT_EQ(name.parent()->str(), "tank/a");
    EXPECT_EQ(name.parent()->parent()->str(), "tank");
    EXPECT_FALSE(name.parent()->parent()->parent());
    EXPECT_EQ(DatasetName::parse("tank").value().pool(), "tank");
}

TEST(DatasetName, IsBelowOnlyRealAncestors) {
    const auto name = [](const char* text) { return DatasetName::parse(text).value(); };
    EXPECT_TRUE(name("tank/a/b").is_below(name("tank")));
    EXPECT_TRUE(name("tank/a/b").is_below(name("tank/a")));
    EXPECT_FALSE(name("tank/a").is_below(name("tank/a")));
    EXPECT_FALSE(name("tank/ab").is_below(name("tank/a")));
    EXPECT_FALSE(name("tank").is_below(name("tank/a")));
}

TEST(SnapshotName, IsADatasetAndAComponent) {
    const auto parsed = SnapshotName::parse("tank/a b@zrep_000001");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->dataset().str(), "tank/a b");
    EXPECT_EQ(parsed->snapshot(), "zrep_000001");
    EXPECT_EQ(parsed->str(), "tank/a b@zrep_000001");
}

TEST(SnapshotName, RefusesMalformedNames) {
    for (const char* name : {"tank/a",
                             "tank/a@",
                             "@x",
                             "tank@a@b",
                             "tank@a/b",
                             "tank@a,b",
                             "tank@a%b",
                             "tank@a\n",
                             "-tank@a",
                             "tank@.."}) {
        EXPECT_FALSE(SnapshotName::parse(name)) << name;
    }
}

TEST(SnapshotName, IsAtMost255BytesAltogether) {
    const DatasetName dataset = DatasetName::parse("tank/" + std::string(240, 'x')).value();
    EXPECT_TRUE(SnapshotName::make(dataset, std::string(9, 's')));
    EXPECT_FALSE(SnapshotName::make(dataset, std::string(10, 's')));
}

TEST(HostName, TakesNamesAndAddresses) {
    const std::string label(63, 'a');
    for (const std::string& name : {std::string("beta"),
                                    std::string("beta.example.org"),
                                    std::string("10.0.0.2"),
                                    std::string("b-2"),
                                    std::string("9x"),
                                    join({label, label}, ".")}) {
        EXPECT_TRUE(HostName::parse(name)) << name;
    }
}

TEST(HostName, RefusesWhatSshCouldTakeForSomethingElse) {
    const std::string label(64, 'a');
    std::string too_long = "a";
    while (too_long.size() < 254) too_long += ".a";
    for (const std::string& name : {std::string(""),
                                    std::string("-oProxyCommand=x"),
                                    std::string("a.-b"),
                                    std::string("a-"),
                                    std::string("root@beta"),
                                    std::string("beta:22"),
                                    std::string("a b"),
                                    std::string("a;b"),
                                    std::string("a\n"),
                                    std::string("."),
                                    std::string("a..b"),
                                    std::string("beta."),
                                    std::string("$(x)"),
                                    std::string("ssh://beta"),
                                    label,
                                    too_long}) {
        EXPECT_FALSE(HostName::parse(name)) << name;
    }
}

TEST(HostName, IsOneNameHoweverItIsWritten) {
    EXPECT_EQ(HostName::parse("Beta.Example.ORG").value(),
              HostName::parse("beta.example.org").value());
    EXPECT_EQ(HostName::parse("BETA").value().str(), "beta");
}

TEST(HostName, ShortensNamesButNotAddresses) {
    EXPECT_EQ(HostName::parse("beta.example.org").value().short_name(), "beta");
    EXPECT_EQ(HostName::parse("beta").value().short_name(), "beta");
    EXPECT_EQ(HostName::parse("10.0.0.2").value().short_name(), "10.0.0.2");
}

TEST(Guid, IsADecimalU64) {
    EXPECT_EQ(Guid::parse("18446744073709551615")->str(), "18446744073709551615");
    for (const char* text : {"", "-1", "0x1", "18446744073709551616", "1 ", "1.0"}) {
        EXPECT_FALSE(Guid::parse(text)) << text;
    }
    EXPECT_FALSE(Guid{}.known());
    EXPECT_TRUE(Guid{1}.known());
}

TEST(ZrepName, CountsInHexAndGrows) {
    EXPECT_EQ(zrep_snapshot_name(0), "zrep_000000");
    EXPECT_EQ(zrep_snapshot_name(42), "zrep_00002a");
    EXPECT_EQ(zrep_snapshot_name(0xffffff), "zrep_ffffff");
    EXPECT_EQ(zrep_snapshot_name(0x1000000), "zrep_1000000");
    for (const std::uint64_t n : {0ULL, 1ULL, 0xabcdefULL, 0x1000000ULL, 0x123456789abULL}) {
        EXPECT_EQ(zrep_sequence(zrep_snapshot_name(n)), n);
        EXPECT_EQ(zrep_sequence(zrep_snapshot_name(n) + "_unsent"), n);
    }
}

TEST(ZrepName, IsNotSeenInForeignNames) {
    for (const char* name : {"",
                             "zrep_",
                             "zrep_1",
                             "zrep_00001",
                             "zrep_00001g",
                             "zrep_00002A",
                             "zrep_0000001",
                             "xzrep_000001",
                             "zrep_000001x",
                             "zrep-000001",
                             "zrep_diverged_7",
                             "zrep_000001_sent",
                             "zrep_unsent",
                             "daily"}) {
        EXPECT_FALSE(zrep_sequence(name)) << name;
    }
}

TEST(ZrepName, BookmarksAreNamedByGuid) {
    EXPECT_EQ(zrep_bookmark_name(Guid{18446744073709551615ULL}), "zrep_18446744073709551615");
}

}  // namespace
}  // namespace zrepd
