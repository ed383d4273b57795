// SPDX-License-Identifier: BSD-2-Clause
// zrep:accept: one host more or less on the list.
#include "daemon/plan/accept.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::plan {
namespace {

Dataset listing(const std::string& hosts, Source source) {
    Dataset out{*DatasetName::parse("backup/a")};
    if (source != Source::none) out.props[std::string(prop::kAccept)] = {hosts, source};
    return out;
}

struct Row {
    const char* list;
    Source source;
    const char* change;
    bool changes;
    const char* value;
    const char* note;
};

TEST(Accept, OneHostMoreOrLessOnTheList) {
    const Row rows[] = {
        {"", Source::none, "+alpha", true, "alpha", ""},
        {"gamma", Source::local, "+alpha", true, "gamma,alpha", ""},
        {"gamma", Source::local, "+Alpha.example.org", true, "gamma,alpha", ""},
        {"alpha.example.org", Source::local, "+alpha", false, "alpha.example.org", "already"},
        {"gamma delta", Source::inherited, "+alpha", true, "gamma,delta,alpha", "of its own"},
        {"alpha", Source::inherited, "+alpha", false, "alpha", "already"},
        {"alpha,gamma", Source::local, "-alpha", true, "gamma", ""},
        {"alpha", Source::local, "-alpha", true, "", ""},
        {"alphabet", Source::local, "-alpha", false, "alphabet", "does not accept alpha"},
        {"", Source::none, "-alpha", false, "", "does not accept alpha"},
        {"gamma", Source::inherited, "-alpha", false, "", "does not accept alpha"},
        {"a,b,c", Source::received, "-a,c", true, "b", ""},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(std::string(row.list) + " " + row.change);
        const auto edit = edit_accept(listing(row.list, row.source), nullptr, row.change);
        ASSERT_TRUE(edit);
        EXPECT_EQ(edit->changes, row.changes);
        EXPECT_EQ(edit->value, row.value);
        EXPECT_NE(join(edit->notes, "\n").find(row.note), std::string::npos);
        EXPECT_EQ(edit->notes.empty(), *row.note == 0);
    }
}

TEST(Accept, AHostThatIsOnlyInheritedIsNotTakenAwayHere) {
    const auto edit = edit_accept(listing("alpha,gamma", Source::inherited), nullptr, "-alpha");
    ASSERT_FALSE(edit);
    EXPECT_EQ(edit.error().code, Code::conflict);
    EXPECT_EQ(edit.error().remedy,
              "zfs get -o source zrep:accept 'backup/a' names the dataset to say it of");
}

/// Else whoever was to go, or was kept out here, would be let in by the list above.
TEST(Accept, AListThatBecomesEmptyDoesNotGiveWayToTheOneAbove) {
    const Dataset above = listing("alpha,beta", Source::local);
    const auto edit = edit_accept(listing("alpha", Source::local), &above, "-alpha");
    ASSERT_TRUE(edit);
    EXPECT_EQ(edit->value, "none");
    ASSERT_EQ(edit->notes.size(), 1U);
    EXPECT_NE(edit->notes[0].find("accepts nobody now"), std::string::npos);
    const Dataset nobody = listing("none", Source::local);
    EXPECT_FALSE(accepts(nobody, "alpha"));
    EXPECT_FALSE(accepts(nobody, "none"));
    EXPECT_EQ(edit_accept(nobody, &above, "+gamma")->value, "gamma");
    const Dataset empty = listing("", Source::none);
    EXPECT_EQ(edit_accept(listing("alpha", Source::local), &empty, "-alpha")->value, "");
}

TEST(Accept, AChangeNamesHosts) {
    for (const char* bad : {"+", "-", "+ ", "+a,*", "-..", "+a\nb", "++a", "+-a"}) {
        ASSERT_TRUE(is_accept_change(bad)) << bad;
        const auto checked = check_accept_change(bad);
        ASSERT_FALSE(checked) << bad;
        EXPECT_EQ(checked.error().code, Code::invalid_params);
    }
    EXPECT_FALSE(is_accept_change("alpha"));
    EXPECT_FALSE(is_accept_change(""));
}

}  // namespace
}  // namespace zrepd::plan
