// SPDX-License-Identifier: BSD-2-Clause
// set, pause, unpause and clear: what they refuse, change and advise, on pools in memory.
#include <gtest/gtest.h>

#include "common/text.hpp"
#include "daemon/service.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using Source = zrepd::Source;

class Settings : public test::TwoHosts {
  protected:
    void store(std::string_view dataset, std::string_view key, std::string value) {
        alpha->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    /// alpha's dataset as one side of a pair with beta's "other/…".
    void store_pair(const std::string& dataset, bool target) {
        const std::string other = "other/" + dataset.substr(dataset.find('/') + 1);
        store(dataset, prop::kSrcHost, target ? "beta" : "alpha");
        store(dataset, prop::kSrcFs, target ? other : dataset);
        store(dataset, prop::kDestHost, target ? "alpha" : "beta");
        store(dataset, prop::kDestFs, target ? dataset : other);
        store(dataset, prop::kEpoch, "1");
        if (!target) store(dataset, prop::kMaster, "yes");
    }
    Result<rpc::Done> pause(std::vector<std::string> names, std::optional<std::string> until = {}) {
        rpc::PauseIn in;
        in.datasets = std::move(names);
        in.until = std::move(until);
        return test::run_task(io, service.pause(std::move(in), control::Caller{}));
    }
    Result<rpc::Done> unpause(std::vector<std::string> names, bool dry_run = false) {
        rpc::UnpauseIn in;
        in.datasets = std::move(names);
        in.dry_run = dry_run;
        return test::run_task(io, service.unpause(std::move(in), control::Caller{}));
    }
    Result<rpc::Done> set(std::string dataset, std::map<std::string, std::string> settings) {
        rpc::SetIn in;
        in.dataset = std::move(dataset);
        in.settings = std::move(settings);
        return test::run_task(io, service.set(std::move(in), control::Caller{}));
    }
    Result<rpc::Done> clear(std::string dataset) {
        rpc::ClearIn in;
        in.dataset = std::move(dataset);
        return test::run_task(io, service.clear(std::move(in), control::Caller{}));
    }
    std::size_t changes() const { return alpha->zfs.count("set ") + alpha->zfs.count("inherit "); }
    static bool contains(const std::vector<std::string>& lines, std::string_view text) {
        return join(lines, "\n").find(text) != std::string::npos;
    }

    test::ServedHost served{*alpha};
    DaemonService& service = served.service;
};

TEST_F(Settings, AcceptTakesOneHostMoreOrLess) {
    alpha->zfs.create("tank/in");
    const auto first = set("tank/in", {{"accept", "+beta"}});
    ASSERT_TRUE(first);
    EXPECT_EQ(join(first->steps, ";"), "zfs set zrep:accept=beta 'tank/in'");
    const auto second = set("tank/in", {{"zrep:accept", "+gamma"}});
    ASSERT_TRUE(second);
    EXPECT_EQ(join(second->steps, ";"), "zfs set zrep:accept=beta,gamma 'tank/in'");
    const auto before = changes();
    const auto again = set("tank/in", {{"accept", "+gamma"}});
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->steps.empty());
    EXPECT_TRUE(contains(again->notes, "accepts gamma already"));
    EXPECT_EQ(changes(), before);
    ASSERT_TRUE(set("tank/in", {{"accept", "-beta"}}));
    const auto last = set("tank/in", {{"accept", "-gamma"}});
    ASSERT_TRUE(last);
    EXPECT_EQ(join(last->steps, ";"), "zfs inherit zrep:accept 'tank/in'");
    const auto bad = set("tank/in", {{"accept", "+-oProxyCommand=x"}});
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().code, Code::invalid_params);
}

TEST_F(Settings, PauseOfATargetIsRefusedAndNamesTheMaster) {
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    const auto refused = pause({"tank/copy"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::wrong_role);
    EXPECT_NE(refused.error().message.find("other/copy on beta"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(refused.error().remedy, "on beta run: zrepctl pause 'other/copy'");
    EXPECT_EQ(changes(), 0U);
}

TEST_F(Settings, PauseAboveTargetsIsAllowedAndSaysWhatItDoesNot) {
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    const auto done = pause({"tank"});
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(changes(), 1U);
    EXPECT_TRUE(contains(done->notes, "has its master here")) << join(done->notes, "\n");
}

TEST_F(Settings, SetOnATargetSaysWhereItTakesEffect) {
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    const auto done = set("tank/copy", {{"interval", "60s"}, {"savecount", "3"}});
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(changes(), 1U);
    EXPECT_TRUE(contains(done->notes, "on beta run: zrepctl set 'other/copy' interval="))
        << join(done->notes, "\n");
    EXPECT_FALSE(contains(done->notes, "savecount"));
    EXPECT_TRUE(set("tank/copy", {{"savecount", "4"}})->notes.empty());
    EXPECT_TRUE(set("tank", {{"interval", "60s"}})->notes.empty());
}

TEST_F(Settings, OneWrongNameOfSeveralChangesNothing) {
    store_pair("tank/fs", /*target=*/false);
    for (const char* wrong : {"tank/nope", "tank//fs"}) {
        EXPECT_FALSE(pause({"tank/fs", wrong})) << wrong;
        EXPECT_FALSE(unpause({"tank/fs", wrong})) << wrong;
    }
    alpha->zfs.create("dozer");
    EXPECT_FALSE(unpause({"tank/fs", "dozer/nope"}));
    alpha->zfs.set_pool_trouble("dozer", "SUSPENDED");
    EXPECT_FALSE(pause({"tank/fs", "dozer"}));
    EXPECT_EQ(changes(), 0U);
}

TEST_F(Settings, FailureInTheMiddleSaysWhatWasDoneBefore) {
    alpha->zfs.create("dozer");
    alpha->zfs.fail_next("inherit", {.code = Code::zfs_failed, .message = "zfs said no"});
    store("tank", prop::kPaused, "yes");
    const auto stopped = unpause({"tank/fs", "dozer"});
    ASSERT_FALSE(stopped);
    EXPECT_NE(stopped.error().message.find("zfs said no"), std::string::npos);
    EXPECT_NE(stopped.error().message.find("'tank/fs'"), std::string::npos)
        << stopped.error().message;
}

TEST_F(Settings, UnpauseBelowAPausedDatasetTakesTheStepItAnnounces) {
    store_pair("tank/fs", /*target=*/false);
    store("tank", prop::kPaused, "yes");
    const auto would = unpause({"tank/fs"}, /*dry_run=*/true);
    ASSERT_TRUE(would);
    EXPECT_EQ(changes(), 0U);
    EXPECT_EQ(would->steps, std::vector<std::string>{"zfs set zrep:paused=no 'tank/fs'"});
    const auto done = unpause({"tank/fs"});
    ASSERT_TRUE(done);
    EXPECT_EQ(done->steps, would->steps);
    EXPECT_EQ(done->notes, would->notes);
    EXPECT_TRUE(contains(done->notes, "paused by a dataset above"));
    EXPECT_EQ(changes(), 1U);
    // With the one above it named too, nothing is left to keep out of.
    EXPECT_EQ(unpause({"tank/fs", "tank"}, /*dry_run=*/true)->steps,
              (std::vector<std::string>{"zfs inherit zrep:paused 'tank/fs'",
                                        "zfs inherit zrep:paused 'tank'"}));
}

TEST_F(Settings, UnpauseNamesWhatStaysPausedBelow) {
    store_pair("tank/fs", /*target=*/false);
    store("tank", prop::kPaused, "yes");
    store("tank/fs", prop::kPaused, "yes");
    const auto done = unpause({"tank"});
    ASSERT_TRUE(done);
    EXPECT_TRUE(contains(done->notes, "zrepctl unpause 'tank/fs'")) << join(done->notes, "\n");
    for (int i = 0; i < 6; ++i) {
        const std::string name = "tank/n" + std::to_string(i);
        alpha->zfs.create(name);
        store(name, prop::kPaused, "yes");
    }
    const auto many = unpause({"tank"});
    EXPECT_TRUE(contains(many->notes, "and 2 more")) << join(many->notes, "\n");
}

TEST_F(Settings, PauseNamesWhatIsNotPausedByIt) {
    store_pair("tank/fs", /*target=*/false);
    store("tank/fs", prop::kPaused, "no");
    const auto done = pause({"tank"});
    ASSERT_TRUE(done);
    EXPECT_TRUE(contains(done->notes, "zrepctl pause 'tank/fs'")) << join(done->notes, "\n");
}

TEST_F(Settings, StepsCanBePasted) {
    alpha->zfs.create("tank/a b");
    EXPECT_EQ(set("tank/a b", {{"interval", "60s"}, {"limit", ""}})->steps,
              (std::vector<std::string>{"zfs set zrep:interval=1m 'tank/a b'",
                                        "zfs inherit zrep:limit 'tank/a b'"}));
}

TEST_F(Settings, ClearAdvisesWhatTheCopyHas) {
    alpha->zfs.create("tank/copy");
    alpha->zfs.create("tank/vol", Kind::volume);
    for (const char* name : {"tank/copy", "tank/vol"}) {
        store_pair(name, /*target=*/true);
        store(name, "readonly", "on");
    }
    const auto filesystem = clear("tank/copy");
    ASSERT_TRUE(filesystem);
    EXPECT_TRUE(contains(filesystem->notes,
                         "zfs set readonly=off canmount=on 'tank/copy', then zfs mount "
                         "'tank/copy'"))
        << join(filesystem->notes, "\n");
    const auto volume = clear("tank/vol");
    ASSERT_TRUE(volume);
    EXPECT_TRUE(contains(volume->notes, "zfs set readonly=off volmode=default 'tank/vol'"));
    EXPECT_FALSE(contains(volume->notes, "mount")) << join(volume->notes, "\n");
}

TEST_F(Settings, NamesAbovePairsAreToldTheNamesBelow) {
    store_pair("tank/fs", /*target=*/false);
    const control::Caller root{.access = control::Access::admin};
    const auto listed = test::run_task(io, service.list({.datasets = {"tank"}}, root));
    ASSERT_FALSE(listed);
    EXPECT_NE(listed.error().remedy.find("'tank/fs'"), std::string::npos);
    rpc::SyncIn in;
    in.datasets = {"tank"};
    const auto synced = ended(test::run_task(io, service.sync(std::move(in), control::Caller{})));
    ASSERT_TRUE(synced.error);
    EXPECT_EQ(synced.error->kind, "not_configured");
    EXPECT_NE(synced.error->remedy.find("'tank/fs'"), std::string::npos) << synced.error->remedy;
}

TEST_F(Settings, ChangeconfigAsksTheOtherSideAndNamesTheCommandThere) {
    ASSERT_EQ(init().outcome, "done");
    rpc::ConfigIn in;
    in.dataset = "tank/fs";
    in.host = "beta";
    in.other = "backup/moved";
    const auto config = [&] {
        alpha->zfs.forget_calls();
        return test::run_task(io, service.changeconfig(in, control::Caller{}));
    };
    const auto unknown = config();
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::refused);
    EXPECT_EQ(
        unknown.error().remedy,
        "on beta run: zrepctl changeconfig -d 'backup/moved' alpha 'tank/fs', then this again");
    EXPECT_EQ(changes(), 0U);
    // As zfs rename leaves it, and the command on beta makes it.
    beta->zfs.create("backup/moved");
    auto& moved = beta->zfs.at("backup/moved");
    const auto guid = moved.guid;
    moved = beta->zfs.at("backup/fs");
    moved.guid = guid;
    moved.props[std::string(prop::kDestFs)] = {"backup/moved", Source::local};
    ASSERT_TRUE(test::run_task(io, beta->inventory.discover()));
    // Somebody else's copy had more: that counts no longer.
    alpha->zfs.take("tank/fs@zrep_000007");
    alpha->zfs.at("tank/fs").snapshots.back().sent = 1'700'000'000;
    in.dry_run = true;
    const auto would = config();
    ASSERT_TRUE(would) << would.error().text();
    EXPECT_TRUE(contains(would->steps, "zrep:dest-fs=backup/moved"));
    EXPECT_TRUE(contains(would->steps, "forget that tank/fs@zrep_000007 was acknowledged"));
    EXPECT_EQ(changes(), 0U);
    in.dry_run = false;
    ASSERT_TRUE(config());
    EXPECT_EQ(alpha->zfs.count("set "), 1U);
    EXPECT_EQ(sync::last_acked(*alpha->inventory.versions(fs))->name, "zrep_000000");
    alpha->zfs.write("tank/fs", 5'000);
    const auto synced = sync();
    EXPECT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/moved"));
}

TEST_F(Settings, ChangeconfigUncheckedAsksNobody) {
    ASSERT_EQ(init().outcome, "done");
    rpc::ConfigIn in;
    in.dataset = "tank/fs";
    in.host = "nowhere";
    in.other = "backup/fs";
    in.unchecked = true;
    const auto done = test::run_task(io, service.changeconfig(in, control::Caller{}));
    ASSERT_TRUE(done) << done.error().text();
    EXPECT_EQ(alpha->inventory.pair(fs)->peer.str(), "nowhere");
    EXPECT_TRUE(contains(done->notes, "on nowhere run: zrepctl changeconfig -d 'backup/fs' alpha"));
}

}  // namespace
}  // namespace zrepd
