// SPDX-License-Identifier: BSD-2-Clause
// `--dry-run` of each verb that changes something prints the steps that the run takes: for each
// step the table names the calls to zfs that it stands for, on both hosts, and the run makes those,
// in this order, and no others. A verb without a row fails.
#include "tests/fakes/dry_run_steps.hpp"

namespace zrepd {
namespace {

using test::Calls;
using test::Line;
using test::StepsRow;
using test::VerbWorld;

const DatasetName kMaster = *DatasetName::parse("tank/fs");

void nothing(VerbWorld&) {}

/// Another snapshot on both sides, and something written since.
void sync_once(VerbWorld& w) {
    const auto done = test::run_task(w.context(), w.a().engine.sync_now(kMaster));
    EXPECT_EQ(done.outcome, "done") << done.text;
    w.a().zfs.write("tank/fs", 7'000);
    w.look_again();
}
/// One more than is to be kept, on both sides.
void keep_too_many(VerbWorld& w) {
    for (int i = 0; i < 2; ++i) sync_once(w);
    w.give(w.a(), "tank/fs", prop::kSavecount, "2");
    w.give(w.b(), "backup/fs", prop::kSavecount, "2");
    w.look_again();
}
void be_fenced(VerbWorld& w) {
    for (const auto& state : test::bad_states()) {
        if (state.name == "fenced") state.make(w);
    }
    w.look_again();
}
void be_paused(VerbWorld& w) {
    w.give(w.a(), "tank/fs", prop::kPaused, "yes");
    w.look_again();
}

/// Of a snapshot that was received, after the one that was the base.
Line acknowledged(const std::string& snapshot, const std::string& before) {
    return {"acknowledge tank/fs@" + snapshot + " on both sides",
            {"hold tank/fs@" + snapshot,
             "acknowledge tank/fs@" + snapshot,
             "release tank/fs@" + before},
            {"hold backup/fs@" + snapshot,
             "acknowledge backup/fs@" + snapshot,
             "release backup/fs@" + before}};
}
std::vector<Line> lines_of_sync() {
    return {{"take snapshot tank/fs@zrep_000001", {"snapshot tank/fs@zrep_000001"}},
            {"send tank/fs@zrep_000001 from @zrep_000000", {}, {"receive backup/fs@zrep_000001"}},
            acknowledged("zrep_000001", "zrep_000000")};
}
/// The target is told how the master is served when it is asked whether it may become that.
std::vector<Line> lines_of_failover() {
    std::vector<Line> out{{"sync tank/fs to beta:backup/fs, 3.9 KiB written"}};
    for (const Line& line : lines_of_sync()) out.push_back(line);
    out.push_back({"make tank/fs readonly, sync what came meanwhile",
                   {"set tank/fs readonly=on zrep:inprogress=freezing"},
                   {"set backup/fs zrep:serve="}});
    out.push_back({"make tank/fs the target of epoch 2",
                   {"set tank/fs readonly=on zrep:inprogress=handed_over",
                    "unmount tank/fs",
                    "inherit tank/fs zrep:inprogress"}});
    out.push_back({"make beta:backup/fs the master of epoch 2 and mount it",
                   {},
                   {"set backup/fs readonly=off zrep:inprogress=promoted",
                    "mount backup/fs",
                    "inherit backup/fs zrep:inprogress"}});
    return out;
}
std::vector<Line> lines_of_return() {
    return {
        {"make tank/fs readonly and the target of epoch 2",
         {"set tank/fs readonly=on zrep:inprogress=stepping_down", "unmount tank/fs"},
         {"set backup/fs zrep:serve="}},
        {"keep 10.7 KiB in 1 snapshots and since",
         {"snapshot tank/fs@zrep_diverged_2",
          "receive tank/fs_diverged_2@zrep_000001",
          "receive tank/fs_diverged_2@zrep_diverged_2",
          "set tank/fs zrep:inprogress=stepping_down base="}},
        {"roll tank/fs back to @zrep_000000",
         {"release tank/fs@zrep_000001",
          "destroy_bookmark tank/fs#zrep_",
          "destroy_snapshots tank/fs@zrep_000001",
          "destroy_snapshots tank/fs@zrep_diverged_2",
          "rollback tank/fs@zrep_000000",
          "set tank/fs readonly=on zrep:inprogress=handed_over",
          "inherit tank/fs zrep:inprogress"}},
        {"have beta:backup/fs keep what it has after @zrep_000000 beside it, roll back, and become",
         {},
         {"set backup/fs readonly=on zrep:inprogress=rejoining",
          "receive backup/fs_diverged_1@zrep_000001",
          "set backup/fs zrep:inprogress=rejoining base=",
          "release backup/fs@zrep_000001",
          "destroy_snapshots backup/fs@zrep_000001",
          "rollback backup/fs@zrep_000000",
          "set backup/fs readonly=off zrep:inprogress=promoted",
          "mount backup/fs",
          "inherit backup/fs zrep:inprogress"}}};
}

Line stored(const std::string& dataset) {
    return {"store the pair's properties on " + dataset,
            {"set " + dataset + " zrep:src-host=alpha zrep:src-fs=" + dataset}};
}
/// The root is recorded last.
Line recorded_tree(const std::string& name) {
    const std::string here = " tank/" + name + "/a@zrep_000000 tank/" + name + "@zrep_000000";
    const std::string there = " backup/" + name + "/a@zrep_000000 backup/" + name + "@zrep_000000";
    return {"acknowledge @zrep_000000 of all of them on both sides",
            {"hold" + here, "acknowledge" + here},
            {"set backup/" + name + "/a zrep:serve=",
             "set backup/" + name + " zrep:serve=",
             "hold" + there,
             "acknowledge" + there}};
}
Line made_master(const std::string& dataset) {
    return {"make this side the master",
            {"set " + dataset + " zrep:master=yes zrep:inprogress=",
             "inherit " + dataset + " zrep:inprogress"}};
}

std::vector<StepsRow> rows_of_inits() {
    return {
        {"init-adopt",
         nothing,
         {{"make backup/copied on beta readonly and the target of alpha:tank/copied, unmounted, from "
           "@daily on",
           {},
           {"set backup/copied readonly=on zrep:src-host=alpha", "unmount backup/copied"}},
          {"record @daily as acknowledged on both sides and make this side the master",
           {"set tank/copied zrep:src-host=alpha",
            "hold tank/copied@daily",
            "acknowledge tank/copied@daily",
            "set tank/copied zrep:master=yes zrep:inprogress=",
            "inherit tank/copied zrep:inprogress"},
           {"set backup/copied zrep:serve=",
            "hold backup/copied@daily",
            "acknowledge backup/copied@daily"}}}},
        {"init-r",
         nothing,
         {stored("tank/tree"),
          {"take snapshot @zrep_000000 of tank/tree and of 1 below it, at one moment",
           {"snapshot_together tank/tree@zrep_000000 tank/tree/a@zrep_000000",
            "hold tank/tree@zrep_000000 tank/tree/a@zrep_000000"}},
          {"send tank/tree@zrep_000000 whole", {}, {"receive backup/tree@zrep_000000"}},
          {"send tank/tree/a@zrep_000000 whole", {}, {"receive backup/tree/a@zrep_000000"}},
          recorded_tree("tree"),
          made_master("tank/tree")}},
        {"init-r-adopt",
         nothing,
         {{"make backup/copied on beta readonly and the target of alpha:tank/copied, unmounted, from "
           "@daily on",
           {},
           {"set backup/copied readonly=on zrep:src-host=alpha"}},
          {"make backup/copied/a part of it, unmounted, from @daily on",
           {},
           {"set backup/copied/a canmount=noauto",
            "unmount backup/copied/a",
            "unmount backup/copied"}},
          stored("tank/copied"),
          {"take snapshot @zrep_000000 of tank/copied and of 1 below it, at one moment",
           {"snapshot_together tank/copied@zrep_000000 tank/copied/a@zrep_000000"}},
          {"send tank/copied@zrep_000000 from @daily", {}, {"receive backup/copied@zrep_000000"}},
          {"send tank/copied/a@zrep_000000 from @daily",
           {},
           {"receive backup/copied/a@zrep_000000"}},
          recorded_tree("copied"),
          made_master("tank/copied")}}};
}

std::vector<StepsRow> rows_of_syncs() {
    return {
        {"init",
         nothing,
         {{"store the pair's properties on tank/new", {"set tank/new zrep:src-host=alpha"}},
          {"take snapshot tank/new@zrep_000000",
           {"snapshot tank/new@zrep_000000", "hold tank/new@zrep_000000"}},
          {"send it whole", {}, {"receive backup/new@zrep_000000"}},
          {"acknowledge it on both sides and make this side the master",
           {"hold tank/new@zrep_000000",
            "acknowledge tank/new@zrep_000000",
            "set tank/new zrep:master=yes zrep:inprogress=",
            "inherit tank/new zrep:inprogress"},
           {"set backup/new zrep:serve=",
            "hold backup/new@zrep_000000",
            "acknowledge backup/new@zrep_000000"}}}},
        {"sync", nothing, lines_of_sync()},
        {"sync-all", nothing, lines_of_sync()},
        {"refresh", nothing, lines_of_sync()},
        {"refresh-all", nothing, lines_of_sync()},
        {"sync@",
         sync_once,
         {{"pause tank/fs", {"set tank/fs zrep:paused=yes"}},
          {"hold and bookmark tank/fs@zrep_000000",
           {"hold tank/fs@zrep_000000", "acknowledge tank/fs@zrep_000000"}},
          {"hold backup/fs@zrep_000000 on beta", {}, {"hold backup/fs@zrep_000000"}},
          {"release zrepd's hold on backup/fs@zrep_000001", {}, {"release backup/fs@zrep_000001"}},
          {"destroy backup/fs@zrep_000001 on beta",
           {},
           {"destroy_snapshots backup/fs@zrep_000001"}},
          {"roll backup/fs on beta back to @zrep_000000", {}, {"rollback backup/fs@zrep_000000"}},
          {"take tank/fs@zrep_000001 for not acknowledged any more",
           {"forget_sent tank/fs@zrep_000001"}}}},
        {"expire",
         keep_too_many,
         {{"destroy tank/fs@zrep_000000", {"destroy_snapshots tank/fs@zrep_000000"}},
          {"destroy backup/fs@zrep_000000 on beta",
           {},
           {"destroy_snapshots backup/fs@zrep_000000"}}}},
        {"expire-L",
         keep_too_many,
         {{"destroy tank/fs@zrep_000000", {"destroy_snapshots tank/fs@zrep_000000"}}}}};
}

/// `there`: what the other side does in the end.
std::vector<Line> lines_of_stepping_down(std::vector<std::string> there) {
    return {{"make tank/fs readonly and the target of epoch 2",
             {"set tank/fs readonly=on zrep:inprogress=stepping_down", "unmount tank/fs"}},
            {"keep from the other side: 3.9 KiB written here",
             {"snapshot tank/fs@zrep_diverged_2",
              "receive tank/fs_diverged_2@zrep_diverged_2",
              "set tank/fs zrep:inprogress=stepping_down base="}},
            {"roll tank/fs back to the last acknowledged snapshot",
             {"destroy_snapshots tank/fs@zrep_diverged_2",
              "rollback tank/fs@zrep_000000",
              "set tank/fs readonly=on zrep:inprogress=handed_over",
              "inherit tank/fs zrep:inprogress"}},
            {"have beta:backup/fs become the master as soon as it answers", {}, std::move(there)}};
}

std::vector<StepsRow> rows_of_roles() {
    return {{"failover", nothing, lines_of_failover()},
            {"takeover", nothing, lines_of_failover()},
            {"failover@", sync_once, lines_of_return()},
            {"takeover@", sync_once, lines_of_return()},
            {"failover-L",
             nothing,
             lines_of_stepping_down({"set backup/fs readonly=off zrep:inprogress=promoted",
                                     "mount backup/fs",
                                     "inherit backup/fs zrep:inprogress"})},
            {"takeover-L",
             nothing,
             {{"begin with the data of "},
              {"make backup/fs writable and the master of epoch 2 and mount it; alpha is not asked",
               {},
               {"set backup/fs readonly=off zrep:inprogress=promoted",
                "mount backup/fs",
                "inherit backup/fs zrep:inprogress"}}}},
            {"resolve",
             [](VerbWorld& w) { w.split(); },
             {{"make tank/fs the master of epoch 3",
               {"set tank/fs readonly=off zrep:inprogress= zrep:epoch=3 zrep:master=yes"}},
              {"have beta:backup/fs become its target as soon as it hears of it"}}},
            {"resolve-peer",
             [](VerbWorld& w) { w.split(); },
             lines_of_stepping_down({"set backup/fs readonly=off zrep:inprogress= zrep:epoch=2"})},
            {"unfence",
             be_fenced,
             {{"serve tank/fs without the word of beta:backup/fs",
               {"mount tank/fs", "inherit tank/fs zrep:inprogress"}}}},
            {"drill",
             nothing,
             {{"clone the newest acknowledged snapshot of backup/fs, mount the clone readonly",
               {},
               {"clone backup/fs@zrep_000000 backup/fs_drill",
                "mount backup/fs_drill",
                "unmount backup/fs_drill",
                "destroy_dataset backup/fs_drill"}}}},
            {"rescue-drop",
             nothing,
             {{"destroy tank/fs_diverged_9 with its snapshots",
               {"unmount tank/fs_diverged_9",
                "destroy_snapshots tank/fs_diverged_9@zrep_diverged_9",
                "destroy_dataset tank/fs_diverged_9"}}}}};
}

std::vector<StepsRow> rows_of_settings() {
    return {
        {"pause",
         nothing,
         {{"zfs set zrep:paused=yes 'tank/fs'", {"set tank/fs zrep:paused=yes"}},
          {"a run under way is not stopped"}}},
        {"unpause",
         be_paused,
         {{"zfs inherit zrep:paused 'tank/fs'", {"inherit tank/fs zrep:paused"}}}},
        {"clear",
         nothing,
         {{"release the hold on 'tank/fs@zrep_000000'", {"release tank/fs@zrep_000000"}},
          {"destroy bookmark 'tank/fs#zrep_", {"destroy_bookmark tank/fs#zrep_"}},
          {"remove zrep:src-host, zrep:src-fs, zrep:dest-host, zrep:dest-fs, zrep:master",
           {"inherit tank/fs zrep:src-host zrep:src-fs zrep:dest-host zrep:dest-fs zrep:master"}},
          {"its snapshots stay"},
          {"the other side still knows the pair"}}},
        {"changeconfig",
         nothing,
         {{"zfs set zrep:src-host=alpha 'tank/fs'",
           {"set tank/fs zrep:src-host=alpha zrep:src-fs=tank/fs zrep:dest-host=beta "
            "zrep:dest-fs=backup/fs"}},
          {"zfs set zrep:src-fs=tank/fs 'tank/fs'"},
          {"zfs set zrep:dest-host=beta 'tank/fs'"},
          {"zfs set zrep:dest-fs=backup/fs 'tank/fs'"},
          {"the other side is not changed from here"}}},
        {"changeconfig-d",
         nothing,
         {{"zfs set zrep:src-host=alpha 'backup/fs'",
           {},
           {"set backup/fs zrep:src-host=alpha zrep:src-fs=tank/fs zrep:dest-host=beta "
            "zrep:dest-fs=backup/fs"}},
          {"zfs set zrep:src-fs=tank/fs 'backup/fs'"},
          {"zfs set zrep:dest-host=beta 'backup/fs'"},
          {"zfs set zrep:dest-fs=backup/fs 'backup/fs'"},
          {"the master's side has to know, too"}}},
        {"set",
         nothing,
         {{"zfs set zrep:interval=1h 'tank/fs'", {"set tank/fs zrep:interval=1h"}}}},
        {"authorize",
         nothing,
         {{"zfs set zrep:accept=alpha,gamma 'backup'",
           {},
           {"set backup zrep:accept=alpha,gamma"}}}}};
}

std::vector<StepsRow> all_rows() {
    std::vector<StepsRow> out;
    for (const auto& part : {rows_of_inits(), rows_of_syncs(), rows_of_roles(), rows_of_settings()})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

class DryRunSteps : public testing::TestWithParam<test::Verb> {};

TEST_P(DryRunSteps, AreThoseThatTheRunTakes) {
    const test::Verb& verb = GetParam();
    const auto rows = all_rows();
    const auto row = std::find_if(
        rows.begin(), rows.end(), [&](const StepsRow& one) { return one.verb == verb.name; });
    VerbWorld w;
    if (verb.reads) {
        (void)test::ask(w, verb, /*dry=*/true);
        EXPECT_TRUE(w.a().zfs.changes().empty() && w.b().zfs.changes().empty());
        return;
    }
    ASSERT_NE(row, rows.end()) << "no row for it";
    row->prepare(w);
    test::expect_row(w, verb, row->lines);
}

INSTANTIATE_TEST_SUITE_P(Each, DryRunSteps, testing::ValuesIn(test::verbs()), [](const auto& one) {
    std::string name = one.param.name;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == '-' || c == '@'; }, '_');
    return name;
});

}  // namespace
}  // namespace zrepd
