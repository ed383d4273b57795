// SPDX-License-Identifier: BSD-2-Clause
// The same as dry_run_steps_test.cpp of recursive pairs: what changes a pair treats one as a whole,
// and its dry run says so.
#include "tests/fakes/dry_run_steps.hpp"

namespace zrepd {
namespace {

using test::Line;
using test::StepsRow;
using test::VerbWorld;

std::vector<Line> lines_of_tree_sync() {
    return {
        {"take snapshot @zrep_000001 of tank/fs and of 1 below it, at one moment",
         {"snapshot_together tank/fs@zrep_000001 tank/fs/a@zrep_000001"}},
        {"send tank/fs@zrep_000001 from @zrep_000000", {}, {"receive backup/fs@zrep_000001"}},
        {"send tank/fs/a@zrep_000001 from @zrep_000000", {}, {"receive backup/fs/a@zrep_000001"}},
        {"acknowledge @zrep_000001 of all of them on both sides",
         {"hold tank/fs/a@zrep_000001 tank/fs@zrep_000001",
          "acknowledge tank/fs/a@zrep_000001 tank/fs@zrep_000001",
          "release tank/fs/a@zrep_000000 tank/fs@zrep_000000"},
         {"hold backup/fs/a@zrep_000001 backup/fs@zrep_000001",
          "acknowledge backup/fs/a@zrep_000001 backup/fs@zrep_000001",
          "release backup/fs/a@zrep_000000 backup/fs@zrep_000000"}}};
}

/// What the side does that becomes the master, with all that belongs to it.
test::Calls promoted() {
    return {"set backup/fs readonly=off zrep:inprogress=promoted",
            "mount backup/fs",
            "mount backup/fs/a",
            "set backup/fs/a canmount=on zrep:serve=",
            "inherit backup/fs zrep:inprogress"};
}

std::vector<Line> lines_of_tree_failover() {
    std::vector<Line> out{{"sync tank/fs and the 1 below it to beta:backup/fs, 7.8 KiB written"}};
    for (const Line& line : lines_of_tree_sync()) out.push_back(line);
    out.push_back({"make tank/fs and the 1 below it readonly, sync what came meanwhile",
                   {"set tank/fs readonly=on zrep:inprogress=freezing"},
                   {"set backup/fs zrep:serve="}});
    out.push_back({"make tank/fs and the 1 below it the target of epoch 2",
                   {"set tank/fs readonly=on zrep:inprogress=handed_over",
                    "unmount tank/fs",
                    "set tank/fs/a canmount=noauto zrep:serve=",
                    "inherit tank/fs zrep:inprogress"}});
    out.push_back({"make beta:backup/fs the master of epoch 2 and mount it", {}, promoted()});
    return out;
}

/// The same where a pair of its own lies in there.
std::vector<Line> lines_of_failover_around() {
    std::vector<Line> out = lines_of_tree_failover();
    const auto before = std::find_if(out.begin(), out.end(), [](const Line& line) {
        return line.says.find(" readonly, sync") != line.says.npos;
    });
    out.insert(before,
               {"set readonly=off on tank/fs/db, a pair of its own in there",
                {"set tank/fs/db readonly=off"}});
    return out;
}

std::vector<StepsRow> rows_of_trees() {
    const auto tree = [](VerbWorld& w) { w.make_tree(); };
    const auto around = [](VerbWorld& w) {
        w.make_tree();
        w.make_pair_inside();
    };
    return {
        {"sync", tree, lines_of_tree_sync()},
        {"failover", tree, lines_of_tree_failover()},
        {"failover", around, lines_of_failover_around()},
        {"takeover", tree, lines_of_tree_failover()},
        {"takeover-L",
         tree,
         {{"begin with the data of "},
          {"make backup/fs and the 1 below it writable and the master of epoch 2 and mount it",
           {},
           promoted()}}},
        {"failover-L",
         tree,
         {{"make tank/fs and the 1 below it readonly and the target of epoch 2",
           {"set tank/fs readonly=on zrep:inprogress=stepping_down",
            "unmount tank/fs",
            "set tank/fs/a canmount=noauto zrep:serve="}},
          {"keep from the other side: 7.8 KiB written here",
           {"snapshot tank/fs@zrep_diverged_2",
            "receive tank/fs_diverged_2@zrep_diverged_2",
            "set tank/fs zrep:inprogress=stepping_down base="}},
          {"roll tank/fs and the 1 below it back to the last acknowledged snapshot",
           {"destroy_snapshots tank/fs@zrep_diverged_2",
            "rollback tank/fs@zrep_000000",
            "snapshot tank/fs/a@zrep_diverged_2",
            "receive tank/fs/a_diverged_2@zrep_diverged_2",
            "set tank/fs/a zrep:inprogress=rejoining base=",
            "destroy_snapshots tank/fs/a@zrep_diverged_2",
            "rollback tank/fs/a@zrep_000000",
            "inherit tank/fs/a zrep:inprogress",
            "set tank/fs readonly=on zrep:inprogress=handed_over",
            "inherit tank/fs zrep:inprogress"}},
          {"have beta:backup/fs become the master as soon as it answers", {}, promoted()}}},
        {"drill",
         tree,
         {{"clone the newest acknowledged snapshot of backup/fs and its parts of the 1 below it",
           {},
           {"clone backup/fs@zrep_000000 backup/fs_drill",
            "mount backup/fs_drill",
            "clone backup/fs/a@zrep_000000 backup/fs_drill/a",
            "mount backup/fs_drill/a",
            "unmount backup/fs_drill/a",
            "destroy_dataset backup/fs_drill/a",
            "unmount backup/fs_drill",
            "destroy_dataset backup/fs_drill"}}}},
        {"clear",
         tree,
         {{"release the hold on 'tank/fs@zrep_000000'",
           {"release tank/fs@zrep_000000 tank/fs/a@zrep_000000"}},
          {"release the hold on 'tank/fs/a@zrep_000000'"},
          {"destroy bookmark 'tank/fs#zrep_", {"destroy_bookmark tank/fs#zrep_"}},
          {"destroy bookmark 'tank/fs/a#zrep_", {"destroy_bookmark tank/fs/a#zrep_"}},
          {"remove zrep:src-host, zrep:src-fs, zrep:dest-host, zrep:dest-fs, zrep:master",
           {"inherit tank/fs zrep:src-host zrep:src-fs zrep:dest-host zrep:dest-fs zrep:master"}},
          {"its snapshots stay"},
          {"the other side still knows the pair"}}}};
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
        return name + "_" + std::to_string(one.index);
    });

}  // namespace
}  // namespace zrepd
