// SPDX-License-Identifier: BSD-2-Clause
// Recursive pairs between two daemons (ADR 0015): one moment, one stream per member, acknowledged
// together; what comes, goes, or is in the way.
#include <gtest/gtest.h>

#include "daemon/log.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/sync/tree_sync.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class TreePair : public test::TwoHosts {
  protected:
    TreePair() {
        alpha->zfs.create("tank/fs/a").create("tank/fs/a/deep");
        alpha->zfs.create("tank/fs/vol", Kind::volume);
        for (const auto* name : {"tank/fs/a", "tank/fs/a/deep", "tank/fs/vol"})
            alpha->zfs.write(name, 30'000);
    }
    sync::InitRequest request() const {
        sync::InitRequest out{.dataset = fs, .host = beta->config.host, .target = target_fs};
        out.recursive = true;
        return out;
    }
    rpc::RunResult init_tree() {
        return ended(test::run_task(io, alpha->engine.start_init(request())));
    }
    rpc::RunResult init_other(std::string_view name, std::string_view there, bool adopt = false) {
        sync::InitRequest other{.dataset = *DatasetName::parse(name),
                                .host = beta->config.host,
                                .target = *DatasetName::parse(there)};
        other.adopt = adopt;
        return ended(test::run_task(io, alpha->engine.start_init(std::move(other))));
    }
    void expect_equal(std::string_view below) {
        const std::string here = "tank/fs" + std::string(below);
        const std::string there = "backup/fs" + std::string(below);
        ASSERT_TRUE(beta->zfs.exists(there)) << there;
        EXPECT_EQ(alpha->zfs.content(here), beta->zfs.content(there)) << here;
        ASSERT_FALSE(beta->zfs.at(there).snapshots.empty()) << there;
        const auto& last = alpha->zfs.at(here).snapshots.back();
        EXPECT_EQ(last.guid, beta->zfs.at(there).snapshots.back().guid) << here;
        EXPECT_TRUE(last.sent) << here;
        EXPECT_EQ(last.sent, beta->zfs.at(there).snapshots.back().sent) << here;
        EXPECT_TRUE(last.held && beta->zfs.at(there).snapshots.back().held) << here;
    }
    void expect_all_equal() {
        for (const auto* below : {"", "/a", "/a/deep", "/vol"}) expect_equal(below);
    }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }
};

TEST_F(TreePair, InitSendsEveryMemberOfOneMoment) {
    const auto made = init_tree();
    ASSERT_EQ(made.outcome, "done") << made.text;
    expect_in(made.text, "tank/fs@zrep_000000 and 3 below it");
    expect_all_equal();
    const auto txg = alpha->zfs.at("tank/fs").snapshots.back().createtxg;
    for (const auto* name : {"tank/fs/a", "tank/fs/a/deep", "tank/fs/vol"})
        EXPECT_EQ(alpha->zfs.at(name).snapshots.back().createtxg, txg) << name;
    EXPECT_EQ(alpha->zfs.count("snapshot_together"), 1U);
    EXPECT_EQ(alpha->zfs.at("tank/fs").props.at(std::string(prop::kTree)).value, "on");
    EXPECT_EQ(beta->zfs.at("backup/fs").props.at(std::string(prop::kTree)).value, "on");
}

/// What clear is recommended for: there is nobody else who would let go of the members, or open the
/// fence.
TEST_F(TreePair, AClearOfOneThatWasRenamedLetsGoOfAllOfIt) {
    ASSERT_EQ(init_tree().outcome, "done");
    auto& root = alpha->zfs.at("tank/fs");
    root.props[std::string(prop::kSrcFs)] = {"tank/before", Source::local};
    root.props[std::string(prop::kCanmount)] = {"on", Source::local};
    root.props["canmount"] = {"noauto", Source::local};
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()));
    ASSERT_FALSE(alpha->inventory.pair(fs));
    test::ServedHost served(*alpha);
    rpc::ClearIn in;
    in.dataset = "tank/fs";
    const auto done = test::run_task(io, served.service.clear(in, control::Caller{}));
    ASSERT_TRUE(done) << done.error().text();
    for (const auto* name : {"tank/fs", "tank/fs/a", "tank/fs/a/deep", "tank/fs/vol"}) {
        EXPECT_FALSE(alpha->zfs.at(name).snapshots.back().held) << name;
        EXPECT_TRUE(alpha->zfs.at(name).bookmarks.empty()) << name;
    }
    EXPECT_EQ(root.props.at("canmount").value, "on");
    EXPECT_FALSE(root.props.contains(std::string(prop::kMaster)));
}

TEST_F(TreePair, MembersAreMadeUnusableAndTakeTheirReadonlyFromTheRoot) {
    ASSERT_EQ(init_tree().outcome, "done");
    EXPECT_EQ(beta->zfs.at("backup/fs").props.at("readonly").value, "on");
    const auto& props = beta->zfs.at("backup/fs/a").props;
    EXPECT_EQ(props.at("canmount").value, "noauto");
    EXPECT_FALSE(props.contains("readonly"));
    // For who takes over without its master.
    EXPECT_EQ(props.at(std::string(prop::kServe)).value, "canmount=on mounted=yes");
    EXPECT_EQ(props.size(), 2U);
    EXPECT_EQ(beta->zfs.at("backup/fs/vol").props.at("volmode").value, "none");
}

TEST_F(TreePair, AnIncrementCarriesEveryMemberAndIsAcknowledgedTogether) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.write("tank/fs/a/deep", 4'000);
    const auto synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    expect_all_equal();
    EXPECT_EQ(alpha->zfs.count("send @zrep_000000"), 4U);
}

TEST_F(TreePair, UnchangedItCostsNoStreamAndAFixedNumberOfLooks) {
    ASSERT_EQ(init_tree().outcome, "done");
    const auto looks = [&] {
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
        EXPECT_EQ(sync().outcome, "unchanged");
        return std::pair(alpha->zfs.calls().size(), beta->zfs.calls().size());
    };
    looks();
    const auto few = looks();
    for (int i = 0; i < 10; ++i) alpha->zfs.create("tank/fs/more" + std::to_string(i));
    ASSERT_EQ(sync().outcome, "done");
    looks();
    EXPECT_EQ(looks(), few);
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
    EXPECT_LE(few.first, 4U);
    EXPECT_LE(few.second, 4U);
}

TEST_F(TreePair, ACutStreamIsResumedAndNothingIsAcknowledgedBefore) {
    ASSERT_EQ(init_tree().outcome, "done");
    for (const auto* name : {"tank/fs", "tank/fs/a", "tank/fs/vol"}) alpha->zfs.write(name, 50'000);
    // The root's stream is let through; the first member's is cut.
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a@")) beta->zfs.cut_next_receive(20'000);
    });
    const auto cut = sync();
    ASSERT_EQ(cut.outcome, "failed");
    expect_in(cut.error->message, "tank/fs/a");
    beta->zfs.on_call(nullptr);
    EXPECT_FALSE(alpha->zfs.at("tank/fs").snapshots.back().sent);
    EXPECT_FALSE(beta->zfs.at("backup/fs").snapshots.back().sent);
    EXPECT_TRUE(beta->zfs.at("backup/fs/a").partial);
    alpha->zfs.forget_calls();
    const auto resumed = sync();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    expect_all_equal();
    EXPECT_EQ(alpha->zfs.count("snapshot_together"), 0U) << "nothing was written since";
}

TEST_F(TreePair, AnInitThatWasCutGoesOnWithItsSnapshot) {
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a@")) beta->zfs.cut_next_receive(9'000);
    });
    const auto cut = init_tree();
    ASSERT_EQ(cut.outcome, "failed");
    expect_in(cut.error->remedy, "zrepctl init -r 'tank/fs' beta 'backup/fs' again");
    beta->zfs.on_call(nullptr);
    EXPECT_EQ(alpha->inventory.pair(fs)->role, plan::Role::initializing);
    const auto made = init_tree();
    ASSERT_EQ(made.outcome, "done") << made.text;
    EXPECT_TRUE(made.resumed);
    expect_all_equal();
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
}

TEST_F(TreePair, AChildThatAppearsIsSentWhole) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.create("tank/fs/new");
    alpha->zfs.write("tank/fs/new", 10'000);
    ASSERT_EQ(sync().outcome, "done");
    expect_all_equal();
    expect_equal("/new");
    const auto events = alpha->events.recent(20);
    const bool told = std::any_of(events.begin(), events.end(), [](const auto& event) {
        return event.event == "member_joined" && event.text.find("tank/fs/new") != event.text.npos;
    });
    EXPECT_TRUE(told);
}

TEST_F(TreePair, AFirstStreamOfAChildIsResumed) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.create("tank/fs/new");
    alpha->zfs.write("tank/fs/new", 60'000);
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/new@")) beta->zfs.cut_next_receive(20'000);
    });
    ASSERT_EQ(sync().outcome, "failed");
    beta->zfs.on_call(nullptr);
    const auto resumed = sync();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    expect_equal("/new");
}

TEST_F(TreePair, TheCopyOfAChildThatVanishedStaysAndIsNamed) {
    ASSERT_EQ(init_tree().outcome, "done");
    const auto before = beta->zfs.at("backup/fs/vol").snapshots.size();
    alpha->zfs.forget("tank/fs/vol");
    for (int i = 0; i < 8; ++i) {
        alpha->zfs.write("tank/fs", 1'000);
        ASSERT_EQ(sync().outcome, "done");
    }
    EXPECT_EQ(beta->zfs.at("backup/fs/vol").snapshots.size(), before);
    const auto* memory = alpha->runs.remembered(fs);
    ASSERT_NE(memory, nullptr);
    ASSERT_EQ(memory->left_behind.size(), 1U);
    EXPECT_EQ(memory->left_behind[0].dataset, "backup/fs/vol");
    expect_in(memory->left_behind[0].remedy, "zfs release zrep_base 'backup/fs/vol@zrep_000000'");
    const auto events = alpha->events.recent(100);
    EXPECT_EQ(std::count_if(events.begin(),
                            events.end(),
                            [](const auto& event) { return event.event == "member_left"; }),
              1);
}

/// Its own expiry counted what lies there, whether the other side still had it or not.
TEST_F(TreePair, AnExpireOnTheTargetsSideLeavesTheCopyOfWhatVanishedAlone) {
    ASSERT_EQ(init_tree().outcome, "done");
    for (int i = 0; i < 3; ++i) {
        alpha->zfs.write("tank/fs/vol", 1'000);
        ASSERT_EQ(sync().outcome, "done");
    }
    alpha->zfs.forget("tank/fs/vol");
    alpha->zfs.write("tank/fs/a", 1'000);
    ASSERT_EQ(sync().outcome, "done");
    const auto snapshots = [&](std::string_view name) {
        return beta->zfs.at(name).snapshots.size();
    };
    ASSERT_EQ(snapshots("backup/fs/vol"), 4U);
    ASSERT_EQ(snapshots("backup/fs/a"), 5U);
    beta->zfs.at("backup/fs").props[std::string(prop::kSavecount)] = {"2", Source::local};
    const auto dry = test::run_task(
        io,
        beta->engine.describe_expire({target_fs}, /*local_only=*/false, std::chrono::seconds(10)));
    ASSERT_TRUE(dry);
    EXPECT_EQ(dry->steps.size(), 9U) << "three each of the root, a and deep";
    for (const auto& step : dry->steps) EXPECT_EQ(step.find("vol"), step.npos) << step;
    const auto started = beta->engine.start_expire({target_fs}, /*local_only=*/false);
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&run] { return run->finished(); });
    EXPECT_EQ(run->out().results.at(0).outcome, "done");
    EXPECT_EQ(snapshots("backup/fs/vol"), 4U);
    for (const auto* name : {"backup/fs", "backup/fs/a", "backup/fs/a/deep"})
        EXPECT_EQ(snapshots(name), 2U) << name;
}

/// What nothing whole came of is named, too, and is in nobody's way when the name is there again.
TEST_F(TreePair, HalfAFirstStreamOfWhatVanishedIsNamedAndMakesRoom) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.create("tank/fs/new").write("tank/fs/new", 50'000);
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/new@")) beta->zfs.cut_next_receive(20'000);
    });
    ASSERT_EQ(sync().outcome, "failed");
    beta->zfs.on_call(nullptr);
    alpha->zfs.forget("tank/fs/new");
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()).has_value());
    const auto without = sync();
    ASSERT_EQ(without.outcome, "done") << without.text;
    const auto& left = alpha->runs.remembered(fs)->left_behind;
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].dataset, "backup/fs/new");
    expect_in(left[0].remedy, "zfs receive -A 'backup/fs/new'");
    alpha->zfs.create("tank/fs/new").write("tank/fs/new", 7'000);
    const auto anew = sync();
    ASSERT_EQ(anew.outcome, "done") << anew.text;
    EXPECT_EQ(beta->zfs.count("abort_receive backup/fs/new"), 1U);
    expect_equal("/new");
    expect_all_equal();
    EXPECT_TRUE(alpha->runs.remembered(fs)->left_behind.empty());
}

TEST_F(TreePair, ADatasetInTheChildsPlaceIsAConflictAndNothingIsTaken) {
    ASSERT_EQ(init_tree().outcome, "done");
    beta->zfs.create("backup/fs/new");
    alpha->zfs.create("tank/fs/new");
    const auto refused = sync();
    ASSERT_EQ(refused.outcome, "failed");
    EXPECT_EQ(refused.error->kind, "conflict");
    expect_in(refused.error->remedy, "zfs rename 'backup/fs/new'");
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    beta->zfs.forget("backup/fs/new");
    EXPECT_EQ(sync().outcome, "done");
    expect_equal("/new");
}

TEST_F(TreePair, ASnapshotThatOneMemberCannotTakeIsTakenOfNone) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.write("tank/fs", 1'000);
    alpha->zfs.fail_next("snapshot_together",
                         {.code = Code::no_space, .message = "a quota is exceeded"});
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    EXPECT_EQ(sync().outcome, "done");
    expect_all_equal();
}

TEST_F(TreePair, NestedPairsKeepTheirOwnChainWhicheverCameFirst) {
    alpha->zfs.create("tank/fs/own").create("tank/fs/own/below");
    ASSERT_EQ(init_other("tank/fs/own", "backup/own").outcome, "done");
    ASSERT_EQ(init_tree().outcome, "done");
    EXPECT_FALSE(beta->zfs.exists("backup/fs/own"));
    const auto snapshots = alpha->zfs.at("tank/fs/own").snapshots.size();
    EXPECT_TRUE(alpha->zfs.at("tank/fs/own/below").snapshots.empty());
    // A member becomes a pair of its own: its copy in the tree is left, or adopted.
    const auto nested = init_other("tank/fs/a", "backup/fs/a", /*adopt=*/true);
    ASSERT_EQ(nested.outcome, "done") << nested.text;
    alpha->zfs.write("tank/fs", 1'000);
    const auto synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    expect_equal("");
    EXPECT_EQ(alpha->zfs.at("tank/fs/own").snapshots.size(), snapshots);
    EXPECT_EQ(alpha->zfs.at("tank/fs/a").snapshots.size(), 1U);
    EXPECT_EQ(beta->zfs.at("backup/fs/a").snapshots.size(), 1U);
}

TEST_F(TreePair, ExpiresEachMemberOnBothSides) {
    ASSERT_EQ(init_tree().outcome, "done");
    for (int i = 0; i < 8; ++i) {
        alpha->zfs.write("tank/fs/a", 1'000);
        ASSERT_EQ(sync().outcome, "done");
    }
    for (const auto* below : {"", "/a", "/a/deep", "/vol"}) {
        EXPECT_EQ(alpha->zfs.at("tank/fs" + std::string(below)).snapshots.size(), 5U) << below;
        EXPECT_EQ(beta->zfs.at("backup/fs" + std::string(below)).snapshots.size(), 5U) << below;
    }
}

TEST_F(TreePair, StoresNothingOnMembers) {
    ASSERT_EQ(init_tree().outcome, "done");
    EXPECT_TRUE(alpha->zfs.at("tank/fs/a").props.empty());
    EXPECT_FALSE(beta->zfs.at("backup/fs/a").props.contains(std::string(prop::kEpoch)));
}

TEST_F(TreePair, ALostAnswerIsMadeUpForWithoutAStream) {
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.write("tank/fs/a", 1'000);
    alpha->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    alpha->zfs.fail_next("hold", {.code = Code::timed_out, .message = "too slow"});
    sync();
    alpha->zfs.forget_calls();
    const auto again = sync();
    EXPECT_NE(again.outcome, "failed") << again.text;
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
    expect_all_equal();
}

TEST_F(TreePair, ADryRunSaysTheStepsAndTakesNothing) {
    const auto steps =
        test::run_task(io, alpha->engine.describe_init(request(), std::chrono::seconds(5)));
    ASSERT_TRUE(steps) << steps.error().text();
    expect_in(join(*steps, "\n"), "take snapshot @zrep_000000 of tank/fs and of 3 below it");
    expect_in(join(*steps, "\n"), "send tank/fs/a/deep@zrep_000000 whole");
    EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
    ASSERT_EQ(init_tree().outcome, "done");
    alpha->zfs.create("tank/fs/new");
    const auto found =
        test::run_task(io, alpha->engine.describe_sync({fs}, std::chrono::seconds(5)));
    ASSERT_TRUE(found);
    expect_in(join(found->steps, "\n"), "send tank/fs/new@zrep_000001 whole");
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
}

/// What a nested pair waits for is its own, and the tree's is not its.
TEST_F(TreePair, TheJournalOfAPairInsideIsItsOwn) {
    ASSERT_EQ(init_tree().outcome, "done");
    ASSERT_EQ(init_other("tank/fs/a", "backup/fs/a", /*adopt=*/true).outcome, "done");
    const auto note = [&](const char* name, std::string journal) {
        beta->zfs.at(name).props[std::string(prop::kInprogress)] = {std::move(journal),
                                                                    Source::local};
        ASSERT_TRUE(test::run_task(io, beta->inventory.discover()));
    };
    const DatasetName inside = *DatasetName::parse("tank/fs/a");
    const auto sync_inside = [&] {
        alpha->zfs.write("tank/fs/a", 4'000);
        return ended(alpha->engine.start_sync({inside}, sync::Freshness::listed));
    };
    note("backup/fs", "rejoining base=1");
    EXPECT_EQ(sync_inside().outcome, "done");
    note("backup/fs", "");
    note("backup/fs/a", "rejoining base=1");
    const auto waits = sync_inside();
    ASSERT_TRUE(waits.error);
    expect_in(waits.error->message, "has not kept yet what the other side never got");
}

/// As of any other pair: one line for a peer that is away.
TEST_F(TreePair, ThatItsPeerIsAwayIsNotToldOfEachSync) {
    ASSERT_EQ(init_tree().outcome, "done");
    for (const pid_t child : alpha->relay.children) ::kill(child, SIGKILL);
    alpha->relay.away["beta"] = Code::peer_unreachable;
    test::run_until(io, [this] { return alpha->peers.away(beta->config.host).has_value(); });
    alpha->zfs.write("tank/fs/a", 4'000);
    ::testing::internal::CaptureStdout();
    const auto missed = sync();
    log::flush();
    const std::string said = ::testing::internal::GetCapturedStdout();
    ASSERT_TRUE(missed.error);
    EXPECT_TRUE(peer::is_absence(alpha->runs.memory(fs).error->code)) << missed.text;
    EXPECT_EQ(said.find("dataset_failed"), std::string::npos) << said;
}

TEST_F(TreePair, AnInitOfTheOtherKindDoesNotGoOnWithIt) {
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a@")) beta->zfs.cut_next_receive(9'000);
    });
    ASSERT_EQ(init_tree().outcome, "failed");
    beta->zfs.on_call(nullptr);
    const auto plain = init();
    EXPECT_EQ(plain.outcome, "not started");
    expect_in(plain.text, "begun with -r");
}

/// Also where only the other side still knows of the pair.
TEST_F(TreePair, AnInitOfTheOtherKindIsRefusedByWhatIsOverThere) {
    const auto forget = [&] {
        std::erase_if(alpha->zfs.at("tank/fs").props,
                      [](const auto& p) { return p.first.starts_with("zrep:"); });
        ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()));
    };
    ASSERT_EQ(init_tree().outcome, "done");
    forget();
    const auto plain = init();
    ASSERT_TRUE(plain.error) << plain.text;
    EXPECT_EQ(plain.error->kind, "already_configured");
    expect_in(plain.error->message, "is the target of tank/fs already, with everything below it");
    expect_in(plain.error->remedy, "zrepctl init -r 'tank/fs' beta 'backup/fs' goes on with it");
    EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
    ASSERT_EQ(init_tree().outcome, "done");
    beta->zfs.at("backup/fs").props.erase(std::string(prop::kTree));
    forget();
    const auto tree = init_tree();
    ASSERT_TRUE(tree.error) << tree.text;
    expect_in(tree.error->message, "already, without everything below it");
}

TEST_F(TreePair, APeerNamesNothingOutsideItsTree) {
    ASSERT_EQ(init_tree().outcome, "done");
    beta->zfs.create("backup/other");
    rpc::ReceiveIn in;
    in.snapshot = "zrep_000009";
    in.mode = "full";
    in.kind = "filesystem";
    for (const auto& [source, target] :
         std::vector<std::pair<std::string, std::string>>{{"tank/fs/x", "backup/other/x"},
                                                          {"tank/fs/x", "backup/x"},
                                                          {"tank/fs/y", "backup/fs/x"},
                                                          {"tank/other", "backup/fs/x"},
                                                          {"tank/fs/x/../y", "backup/fs/x/../y"}}) {
        in.source = source;
        in.target = target;
        EXPECT_FALSE(test::run_task(io, beta->target.open_receive("alpha", in))) << target;
        EXPECT_FALSE(beta->zfs.exists("backup/fs/x"));
    }
    in.source = "tank/fs/x";
    in.target = "backup/fs/x";
    EXPECT_FALSE(test::run_task(io, beta->target.open_receive("gamma", in)));
    rpc::TreeIn ask;
    ask.source = "tank/fs";
    ask.target = "backup/fs";
    for (const auto* bad : {"..", "a@b", "/a", "a//b"}) {
        ask.members = {bad};
        EXPECT_FALSE(test::run_task(io, beta->target.tree("alpha", ask))) << bad;
    }
    ask.members = {};
    const auto strange = test::run_task(io, beta->target.tree("gamma", ask));
    ASSERT_TRUE(strange);
    EXPECT_FALSE(strange->known);
    EXPECT_TRUE(strange->left.empty());
}

/// Each is logged and kept; an honest one tells of no more than this.
TEST_F(TreePair, APeerTellsOfAThousandCopiesThatAreNoPartAtMost) {
    ASSERT_EQ(init_tree().outcome, "done");
    const plan::Pair root = *alpha->inventory.pair(fs);
    rpc::TreeOut told;
    for (std::size_t i = 0; i < rpc::TreeOut::kMostTold; ++i) {
        told.left.push_back({"old" + std::to_string(i), "zrep_000000"});
        told.partial.push_back("half" + std::to_string(i));
    }
    const auto left = sync::left_behind(told, root);
    ASSERT_TRUE(left);
    EXPECT_EQ(left->size(), 2 * rpc::TreeOut::kMostTold);
    rpc::TreeOut more = told;
    more.left.push_back({"one", "zrep_000000"});
    EXPECT_EQ(sync::left_behind(more, root).error().code, Code::peer_protocol);
    told.partial.emplace_back("one");
    EXPECT_EQ(sync::left_behind(told, root).error().code, Code::peer_protocol);
    rpc::TreeOut outside;
    outside.partial.emplace_back("../other");
    EXPECT_EQ(sync::left_behind(outside, root).error().code, Code::peer_protocol);
}

TEST_F(TreePair, WhatIsSetDuringItsStreamsSaysWhatExpiresAtTheirEnd) {
    sync::InitRequest two = request();
    two.savecount = 2;
    ASSERT_EQ(ended(test::run_task(io, alpha->engine.start_init(std::move(two)))).outcome, "done");
    alpha->zfs.write("tank/fs/a", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    const DatasetName member = *DatasetName::parse("tank/fs/a");
    alpha->zfs.on_call([&](const std::string& call) {
        if (!call.starts_with("send")) return;
        alpha->zfs.at("tank/fs/a").props[std::string(prop::kSavecount)] = {"9", Source::local};
        alpha->inventory.note_set(member, {{std::string(prop::kSavecount), "9"}});
    });
    alpha->zfs.write("tank/fs/a", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    alpha->zfs.on_call(nullptr);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 2U);
    EXPECT_EQ(alpha->zfs.at("tank/fs/a").snapshots.size(), 3U);
}

}  // namespace
}  // namespace zrepd
