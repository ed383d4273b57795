// SPDX-License-Identifier: BSD-2-Clause
// Each verb of zrepctl in each bad state: exit status, message and remedy as the table has them
// (tests/fakes/verb_table.hpp), and after a refusal both sides are as they were. A state or verb
// without a row fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "common/text.hpp"
#include "tests/fakes/verb_table.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd {
namespace {

using test::Outcome;
using test::Row;
using test::VerbWorld;

std::vector<Row> whole_table() {
    std::vector<Row> out = test::verb_table_of_pairs();
    for (const auto& part : {test::verb_table_of_inits(),
                             test::verb_table_of_many(),
                             test::verb_table_of_roles(),
                             test::verb_table_once_tried(),
                             test::verb_table_of_pools()})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

/// The rows of one state by verb; a verb that stands in two is a mistake of the table.
std::map<std::string, Row> rows_of(const std::string& state) {
    std::map<std::string, Row> out;
    for (const Row& row : whole_table()) {
        if (row.state != state) continue;
        for (const auto verb : split(row.verbs, ' ')) {
            if (verb.empty()) continue;
            EXPECT_TRUE(out.emplace(verb, row).second) << state << ": " << verb << " twice";
        }
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
    }
    void expect_row(const test::Verb& verb, const Row& row) {
        VerbWorld& w = world(GetParam());
        const bool was_occupied = w.occupied;
        expect_same_dry_run(verb, row);
        const Outcome out = verb.ask(w);
        EXPECT_EQ(out.exit_status, row.exit_status) << out.said;
        EXPECT_NE(out.said.find(row.said), std::string::npos) << out.said;
        const auto at = out.said.find("\n  next: ");
        const std::string remedy = at == std::string::npos ? "" : out.said.substr(at);
        const bool one_line = verb.name == "check" || verb.name == "status";
        if (!out.kind.empty() && !one_line) {
            EXPECT_NE(remedy, "") << out.said;
        }
        EXPECT_NE(remedy.find(row.next), std::string::npos) << out.said;
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
    auto rows = rows_of(GetParam().name);
    for (const test::Verb& verb : test::verbs()) {
        SCOPED_TRACE(verb.name);
        const auto row = rows.find(verb.name);
        if (row == rows.end()) {
            const Outcome out = verb.ask(world(GetParam()));
            ADD_FAILURE() << "no row for it: it exits with " << out.exit_status << " and says "
                          << out.said;
            continue;
        }
        expect_row(verb, row->second);
        rows.erase(row);
    }
    EXPECT_TRUE(rows.empty()) << "no such verb: " << rows.begin()->first;
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
    for (const Row& row : whole_table()) {
        const auto& states = test::bad_states();
        EXPECT_TRUE(std::any_of(states.begin(), states.end(), [&](const auto& state) {
            return state.name == row.state;
        })) << row.state;
    }
}

}  // namespace
}  // namespace zrepd
