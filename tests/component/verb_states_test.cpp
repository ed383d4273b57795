// SPDX-License-Identifier: BSD-2-Clause
// Each verb of zrepctl in each bad state: exit status, message and remedy as the table has them
// (tests/fakes/verb_table.hpp), and after a refusal both sides are as they were. A command, state
// or verb without a row fails, and so does a row that says nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "common/text.hpp"
#include "common/version.hpp"
#include "ctl/command.hpp"
#include "tests/fakes/verb_role_states.hpp"
#include "tests/fakes/verb_table.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd {
namespace {

using test::Outcome;
using test::Row;
using test::VerbWorld;

// "master ok" tells something, "done" does not.
constexpr std::size_t kTelling = 9;

const std::vector<Row>& whole_table() {
    static const std::vector<Row> table = test::read_verb_table();
    return table;
}

/// The rows for one state by verb; a verb that stands in two is a mistake of the table.
std::map<std::string, Row> rows_for(std::string_view state) {
    std::map<std::string, Row> out;
    for (const Row& row : whole_table()) {
        if (std::find(row.states.begin(), row.states.end(), state) == row.states.end()) continue;
        for (const std::string& verb : row.verbs)
            EXPECT_TRUE(out.emplace(verb, row).second) << row.at << ": " << verb << " twice";
    }
    return out;
}

class VerbStates : public testing::TestWithParam<test::BadState> {
  protected:
    /// One that was not changed serves for the next verb, too.
    VerbWorld& world(const test::BadState& state) {
        if (world_ && world_->facts() == before_) return *world_;
        world_.reset();
        world_ = std::make_unique<VerbWorld>();
        state.make(*world_);
        if (!world_->occupied) world_->look_again();
        before_ = world_->facts();
        roles_ = world_->roles();
        return *world_;
    }
    /// Refused as the run is, or not; whatever it says, it changes nothing.
    void expect_same_dry_run(const test::Verb& verb, const Row& row) {
        if (verb.reads) return;
        VerbWorld& w = *world_;
        w.a().zfs.forget_calls();
        w.b().zfs.forget_calls();
        w.dry = true;
        const Outcome dry = verb.ask(w);
        w.dry = false;
        EXPECT_EQ(w.facts(), before_);
        EXPECT_TRUE(w.a().zfs.changes().empty()) << w.a().zfs.changes().front();
        EXPECT_TRUE(w.b().zfs.changes().empty()) << w.b().zfs.changes().front();
        EXPECT_EQ(dry.exit_status, row.dry_exit_status.value_or(row.exit_status)) << dry.said;
        if (dry.exit_status == 0) return;
        EXPECT_TRUE(test::says(remedy_of(dry), row.dry_next.value_or(row.next)))
            << "dry: " << dry.said;
    }
    static std::string remedy_of(const Outcome& out) {
        const auto at = out.said.find("\n  next: ");
        return at == std::string::npos ? "" : out.said.substr(at);
    }
    void expect_row(const test::Verb& verb, const Row& row) {
        VerbWorld& w = world(GetParam());
        const bool was_occupied = w.occupied;
        expect_same_dry_run(verb, row);
        const Outcome out = verb.ask(w);
        EXPECT_EQ(out.exit_status, row.exit_status) << out.said;
        EXPECT_TRUE(test::says(out.said, row.said)) << out.said;
        const std::string remedy = remedy_of(out);
        const bool one_line = verb.name == "check" || verb.name == "status";
        if (!out.kind.empty() && !one_line) {
            EXPECT_NE(remedy, "") << out.said;
        }
        EXPECT_TRUE(test::says(remedy, row.next)) << out.said;
        // What is to be done is as much a part of a refusal as its reason.
        if (out.exit_status != 0 && !remedy.empty()) {
            EXPECT_NE(row.next, "") << out.said;
        }
        const bool refused = out.exit_status == info(Code::refused).exit_status;
        const bool syncs = verb.name == "failover" || verb.name == "takeover";
        if (refused && !out.waits) {
            EXPECT_EQ(w.roles(), roles_);
        }
        if (refused && !out.waits && !syncs) {
            EXPECT_EQ(w.facts(), before_);
        }
        // What was under way ended for this verb's sake.
        if (was_occupied && !w.occupied) world_.reset();
    }

    std::unique_ptr<VerbWorld> world_;
    std::string before_;
    std::string roles_;
};

TEST_P(VerbStates, SayWhatIsWrongAndWhatToDo) {
    auto rows = rows_for(GetParam().name);
    rows.merge(rows_for(test::kEveryOther));
    for (const test::Verb& verb : test::verbs()) {
        SCOPED_TRACE(verb.name);
        const auto row = rows.find(verb.name);
        if (row == rows.end()) {
            const Outcome out = verb.ask(world(GetParam()));
            ADD_FAILURE() << "no row for it: it exits with " << out.exit_status << " and says "
                          << out.said;
            continue;
        }
        SCOPED_TRACE(row->second.at);
        expect_row(verb, row->second);
        rows.erase(row);
    }
    for (const test::Verb& verb : test::verbs_of_all()) rows.erase(verb.name);
    EXPECT_TRUE(rows.empty()) << "no such verb: " << rows.begin()->first;
}

/// But for what stands in all.txt.
TEST_P(VerbStates, SayOfAllWhatTheySayByName) {
    auto rows = rows_for(GetParam().name);
    rows.merge(rows_for(test::kEveryOther));
    for (const test::Verb& verb : test::verbs_of_all()) {
        SCOPED_TRACE(verb.name);
        const std::string name = verb.name.substr(0, verb.name.rfind("-all"));
        const auto own = rows.find(verb.name);
        const auto row = own != rows.end() ? own : rows.find(name);
        ASSERT_NE(row, rows.end());
        SCOPED_TRACE(row->second.at);
        expect_row({name, verb.ask}, row->second);
    }
}

INSTANTIATE_TEST_SUITE_P(All,
                         VerbStates,
                         testing::ValuesIn(test::bad_states()),
                         [](const auto& one) {
                             std::string name = one.param.name;
                             std::replace(name.begin(), name.end(), ' ', '_');
                             return name;
                         });

TEST(VerbTable, NamesOnlyStatesThatThereAre) {
    std::set<std::string> known{std::string(test::kEveryOther)};
    for (const auto& state : test::bad_states()) known.insert(state.name);
    for (const Row& row : whole_table()) {
        for (const std::string& state : row.states)
            EXPECT_TRUE(known.contains(state)) << row.at << ": " << state;
    }
}

TEST(VerbTable, EachRowTellsSomething) {
    EXPECT_FALSE(whole_table().empty());
    for (const Row& row : whole_table()) {
        if (row.said != test::kNothing) {
            EXPECT_GE(test::longest_part(row.said), kTelling) << row.at << ": " << row.said;
        }
        if (!row.next.empty()) {
            EXPECT_GE(test::longest_part(row.next), kTelling) << row.at << ": " << row.next;
        }
    }
}

TEST(VerbTable, HasEachCommandOfZrepctl) {
    std::set<std::string> asked(test::kSameEverywhere.begin(), test::kSameEverywhere.end());
    for (const test::Verb& verb : test::verbs()) asked.insert(test::command_of(verb));
    std::set<std::string> offered;
    for (const ctl::Command* command : ctl::commands()) offered.insert(command->name);
    EXPECT_EQ(asked, offered);
}

TEST(VerbTable, TheVersionIsTheSameWhateverIsWrong) {
    for (const auto& state : test::bad_states()) {
        if (state.name != "healthy" && state.name != "zfs fails") continue;
        VerbWorld world;
        state.make(world);
        const rpc::VersionOut found = world.service(world.a()).version();
        EXPECT_EQ(found.version, kBuildVersion);
        EXPECT_EQ(found.host, "alpha");
        EXPECT_EQ(found.zfs, "2.3.2");
    }
}

Outcome outcome_of_verb(VerbWorld& world, const std::string& name) {
    for (const test::Verb& verb : test::verbs())
        if (verb.name == name) return verb.ask(world);
    ADD_FAILURE() << "no verb " << name;
    return {};
}

/// As operations.md has it.
TEST(VerbRemedies, ARenamedHostGoesOnWithItsPairUnderTheNewName) {
    VerbWorld world;
    test::host_renamed(world);
    world.look_again();
    for (const char* verb : {"changeconfig-d", "changeconfig", "sync", "failover"}) {
        const Outcome out = outcome_of_verb(world, verb);
        EXPECT_EQ(out.exit_status, 0) << verb << ": " << out.said;
    }
}

TEST(VerbRemedies, WithoutTheProgramThatRefusedItIsDone) {
    for (const auto& make : {test::hook_refuses, test::hook_refuses_there}) {
        VerbWorld world;
        make(world);
        world.look_again();
        const Outcome refused = outcome_of_verb(world, "failover");
        EXPECT_EQ(refused.exit_status, info(Code::refused_by_hook).exit_status) << refused.said;
        // mv PROGRAM PROGRAM.bak
        const auto begin = refused.said.find("without it: mv '") + 16;
        const std::string program = refused.said.substr(begin, refused.said.find("' '") - begin);
        ASSERT_TRUE(std::filesystem::exists(program)) << refused.said;
        std::filesystem::rename(program, program + ".bak");
        const Outcome done = outcome_of_verb(world, "failover");
        EXPECT_EQ(done.exit_status, 0) << done.said;
    }
}

TEST(VerbTable, PatternsNeedAllOfTheirPartsInOrder) {
    EXPECT_TRUE(test::says("sent a, 3 B, to b", "sent a, ..., to b"));
    EXPECT_FALSE(test::says("to b, sent a", "sent a, ..., to b"));
    EXPECT_FALSE(test::says("sent a", "sent b"));
    EXPECT_TRUE(test::says("\n", test::kNothing));
    EXPECT_FALSE(test::says("a", test::kNothing));
}

}  // namespace
}  // namespace zrepd
