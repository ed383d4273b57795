// SPDX-License-Identifier: BSD-2-Clause
// The same as dry_run_steps_test.cpp of recursive pairs: what changes a pair treats one as a whole,
// and its dry run says so.
#include "tests/fakes/dry_run_steps.hpp"

namespace zrepd {
namespace {

using test::Line;
using test::StepsRow;
using test::VerbWorld;

std::vector<StepsRow> rows_of_trees() {
    const auto tree = [](VerbWorld& w) { w.make_tree(); };
    return {{"sync", tree, {}},
            {"failover", tree, {}},
            {"failover-L", tree, {}},
            {"takeover", tree, {}},
            {"takeover-L", tree, {}},
            {"drill", tree, {}},
            {"clear", tree, {}}};
}

class StepsOfTrees : public testing::TestWithParam<StepsRow> {};

TEST_P(StepsOfTrees, IsWhatTheRunDoes) {
    const auto verbs = test::verbs();
    const auto verb = std::find_if(verbs.begin(), verbs.end(), [](const test::Verb& one) {
        return one.name == GetParam().verb;
    });
    ASSERT_NE(verb, verbs.end());
    VerbWorld w;
    GetParam().prepare(w);
    w.look_again();
    test::expect_row(w, *verb, GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(
    Each, StepsOfTrees, testing::ValuesIn(rows_of_trees()), [](const auto& one) {
        std::string name = one.param.verb;
        std::replace_if(
            name.begin(), name.end(), [](char c) { return c == '-' || c == '@'; }, '_');
        return name;
    });

}  // namespace
}  // namespace zrepd
