// SPDX-License-Identifier: BSD-2-Clause
// A host that names the targets of another: it may not even keep that one from them.
#include <gtest/gtest.h>

#include <map>

#include "daemon/peer/limits.hpp"
#include "daemon/peer/methods.hpp"
#include "tests/fakes/begin_record.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class Stranger : public test::TwoHosts {
  protected:
    Stranger() {
        beta->zfs.create("backup/mallory");
        beta->zfs.at("backup/mallory").props[std::string(prop::kAccept)] = {"mallory",
                                                                            Source::local};
        EXPECT_EQ(init().outcome, "done");
        // Whoever has the lock, a stranger is told that it may not ask, and not that it is to wait:
        // it would have had the lock otherwise.
        auto held = beta->locks.try_lock(target_fs, lock::Scope::node, "receive from alpha");
        EXPECT_TRUE(held);
        guard.emplace(std::move(*held));
    }

    std::optional<lock::LockTable::Guard> guard;
};

TEST_F(Stranger, TakesNoLockWithAStream) {
    for (const char* mode : {"incremental", "resume", "full"}) {
        for (const char* source : {"tank/fs", "tank/evil"}) {
            rpc::ReceiveIn in;
            in.source = source;
            in.target = target_fs.str();
            in.snapshot = "zrep_000007";
            in.mode = mode;
            in.rollback = true;
            in.abort_partial = true;
            const auto member = test::run_task(io, beta->target.open_receive("mallory", in));
            ASSERT_FALSE(member);
            EXPECT_EQ(member.error().code, Code::not_accepted) << mode << member.error().text();
            in.settings = {{"zrep:src-host", "mallory"},
                           {"zrep:src-fs", source},
                           {"zrep:dest-host", "beta"},
                           {"zrep:dest-fs", in.target}};
            const auto founded = test::run_task(io, beta->target.open_receive("mallory", in));
            ASSERT_FALSE(founded);
            EXPECT_EQ(founded.error().code, Code::not_accepted) << mode << founded.error().text();
        }
    }
}

TEST_F(Stranger, TakesNoLockWithAnAdoption) {
    rpc::AdoptIn in;
    in.host = "beta";
    in.source = "tank/evil";
    in.target = target_fs.str();
    in.kind = "filesystem";
    const auto refused = test::run_task(io, beta->target.adopt("mallory", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_accepted) << refused.error().text();
}

TEST_F(Stranger, WaitsWhereTheTargetIsItsOwn) {
    guard.reset();
    auto held = beta->locks.try_lock(target_fs, lock::Scope::node, "expire");
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = target_fs.str();
    in.snapshot = "zrep_000007";
    in.mode = "incremental";
    const auto busy = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, Code::busy);
}

/// In the place of a member it would stop the tree, though it is accepted beside it.
TEST_F(Stranger, MakesNothingInTheTreeOfAnother) {
    beta->zfs.at("backup").props[std::string(prop::kAccept)] = {"alpha,mallory", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kTree)] = {"on", Source::local};
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::PrepareIn in;
    in.host = "beta";
    in.source = "tank/evil";
    in.target = target_fs.str() + "/home";
    const auto refused = test::run_task(io, beta->target.prepare("mallory", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::nested_pair) << refused.error().text();
    EXPECT_TRUE(test::run_task(io, beta->target.prepare("alpha", in)));
}

/// Which of them is master, and how often that changed, is for the hosts of the pair.
TEST_F(Stranger, IsToldOfAnothersPairOnlyThatItExists) {
    rpc::LookIn in;
    in.pairs.push_back({"tank/fs", "backup/fs"});
    const auto state_for = [&](const char* peer) {
        const auto told = test::run_task(io, beta->target.look(peer, in));
        EXPECT_TRUE(told);
        return told ? told->targets.at(0) : rpc::TargetState();
    };
    const auto expect_told = [&](bool master, bool is_pair) {
        const rpc::TargetState theirs = state_for("alpha");
        EXPECT_EQ(theirs.is_pair, is_pair);
        EXPECT_EQ(theirs.master, master);
        EXPECT_EQ(theirs.epoch, 1U);
        const rpc::TargetState nothing = state_for("mallory");
        EXPECT_TRUE(nothing.exists);
        EXPECT_FALSE(nothing.is_pair);
        EXPECT_FALSE(nothing.master);
        EXPECT_EQ(nothing.epoch, 0U);
    };
    expect_told(/*master=*/false, /*is_pair=*/true);
    // Of one that is master too, which its former master has to hear.
    for (const auto& [key, value] :
         std::map<std::string_view, std::string>{{prop::kMaster, "yes"},
                                                 {prop::kSrcHost, "beta"},
                                                 {prop::kSrcFs, "backup/fs"},
                                                 {prop::kDestHost, "alpha"},
                                                 {prop::kDestFs, "tank/fs"}}) {
        beta->zfs.at("backup/fs").props[std::string(key)] = {value, Source::local};
    }
    ASSERT_TRUE(test::run_task(io, beta->inventory.discover()));
    expect_told(/*master=*/true, /*is_pair=*/false);
}

TEST_F(Stranger, IsNotToldWhichPoolsAndParentsThereAre) {
    const auto answer = [&](const char* peer, const char* target) {
        rpc::PrepareIn in;
        in.host = "beta";
        in.source = "tank/new";
        in.target = target;
        in.kind = "filesystem";
        const auto out = test::run_task(io, beta->target.prepare(peer, in));
        return out ? "may create" : std::string(info(out.error().code).name);
    };
    for (const char* target : {"backup/x", "backup/no/x", "nopool/x", "nopool/no/x"}) {
        EXPECT_EQ(answer("eve", target), "not_accepted") << target;
    }
    EXPECT_EQ(answer("mallory", "backup/no/x"), "not_accepted");
    // Who may make something is told what is in the way.
    EXPECT_EQ(answer("mallory", "backup/mallory/no/x"), "not_found");
    EXPECT_EQ(answer("alpha", "backup/no/x"), "not_found");
    EXPECT_EQ(answer("alpha", "nopool/x"), "not_found");
    EXPECT_EQ(answer("alpha", "backup/x"), "may create");
}

Json snapshot_of(const char* name) {
    return {{"name", name}, {"guid", "7"}, {"written_bytes", 0}};
}

/// How each method is asked about one dataset. One that is not here is not known to cost nothing.
std::map<std::string_view, Json> questions(const std::string& source, const std::string& target) {
    const Json side{{"source", source}, {"target", target}};
    const auto with = [&](Json more) {
        more.update(side);
        return more;
    };
    const Json role = with({{"master", true}, {"epoch", 99}, {"idle", true}});
    const Json item = with({{"snapshot", "zrep_000000"}, {"guid", "7"}, {"epoch", 99}});
    const auto list = [](const Json& one) { return Json::array({one}); };
    return {
        {"peer.ping", Json::object()},
        {"peer.look", {{"pairs", list(side)}, {"sends", true}}},
        {"peer.tree", with({{"members", Json::array()}})},
        {"peer.prepare",
         with(
             {{"host", "beta"}, {"kind", "filesystem"}, {"referenced_bytes", 0}, {"sends", true}})},
        {"peer.adopt",
         with({{"host", "beta"},
               {"kind", "filesystem"},
               {"savecount", 5},
               {"snapshots", list(snapshot_of("zrep_000000"))}})},
        {"peer.commit", {{"sent", 1}, {"items", list(item)}}},
        {"peer.expire", {{"pairs", list(side)}, {"sends", false}}},
        {"peer.roll_back", with({{"epoch", 1}, {"base", "7"}, {"newer", Json::array()}})},
        {"peer.facts", {{"sides", list(side)}}},
        {"peer.roles", {{"sides", list(role)}}},
        {"peer.lease",
         {{"sides", list(with({{"epoch", 99}}))}, {"lease_ms", 60'000}, {"sent_ms", 1}}},
        {"peer.check", with({{"epoch", 1}, {"base", "7"}, {"serve", ""}})},
        {"peer.promote", with({{"epoch", 99}, {"base", "7"}, {"serve", ""}})},
        {"peer.hand_over", side},
        {"peer.refresh", side},
        {"peer.run", {{"run_id", "1-1"}}},
    };
}

/// Of `count` datasets, all the same but for their numbers.
Json with_many(Json params, std::size_t count) {
    for (const char* key : {"pairs", "sides", "items"}) {
        if (!params.contains(key)) continue;
        Json one = params[key][0];
        params[key] = Json::array();
        for (std::size_t i = 0; i < count; ++i) {
            one["target"] = "backup/n" + std::to_string(i);
            params[key].push_back(one);
        }
    }
    return params;
}

/// A pair's own host, let in with a key for `zrepctl peer` alone.
class Restricted : public test::TwoHosts {
  protected:
    Restricted() { EXPECT_EQ(init().outcome, "done"); }
    Result<Json> ask(std::string_view method, Json params, bool root) {
        peer::Caller caller{.peer = "alpha", .root = root};
        return test::run_task(io,
                              peer::find_peer_method(method)->handler(
                                  beta->target, std::move(caller), std::move(params)));
    }
    Json about_fs(Json more) const {
        Json out{{"source", "tank/fs"}, {"target", "backup/fs"}, {"serve", kServe}};
        out.update(more);
        return out;
    }
    std::string guid() { return beta->zfs.at("backup/fs").snapshots.back().guid.str(); }
    std::string mountpoint() { return beta->inventory.find(target_fs)->mountpoint; }
    std::string stored() {
        return beta->inventory.find(target_fs)->own(prop::kServe).value_or("nothing");
    }

    static constexpr const char* kServe = "canmount=on mounted=yes mountpoint=/srv/no such place";
};

TEST_F(Restricted, AMountpointIsStoredAsAWish) {
    for (const bool root : {false, true}) {
        const Json item = about_fs({{"snapshot", "zrep_000000"}, {"guid", guid()}, {"epoch", 1}});
        ASSERT_TRUE(ask("peer.commit", {{"sent", 1}, {"items", Json::array({item})}}, root));
        EXPECT_EQ(stored(), root ? kServe : "canmount=on mounted=yes wished=/srv/no such place");
    }
}

TEST_F(Restricted, ACheckSaysThatTheMountpointIsNotItsChoice) {
    const Json params = about_fs({{"epoch", 1}, {"base", guid()}, {"dry_run", true}});
    for (const bool root : {false, true}) {
        const auto answer = ask("peer.check", params, root);
        ASSERT_TRUE(answer) << answer.error().text();
        const bool refused = answer->dump().find("a restricted key") != std::string::npos;
        EXPECT_EQ(refused, !root) << answer->dump();
    }
}

TEST_F(Restricted, ItsCopyBecomesTheMasterAtTheMountpointThatItHasHere) {
    const std::string before = mountpoint();
    const auto answer = ask("peer.promote", about_fs({{"epoch", 2}, {"base", guid()}}), false);
    ASSERT_TRUE(answer) << answer.error().text();
    EXPECT_EQ(answer->at("master"), true);
    EXPECT_EQ(mountpoint(), before);
    EXPECT_FALSE(beta->inventory.find(target_fs)->mountpoint_here);
}

TEST_F(Restricted, NoEpochTakesTheRoomOfThoseToCome) {
    const auto answer =
        ask("peer.promote", about_fs({{"epoch", ~std::uint64_t{0}}, {"base", guid()}}), false);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::invalid_params);
    const Json item =
        about_fs({{"snapshot", "zrep_000000"}, {"guid", guid()}, {"epoch", ~std::uint64_t{0}}});
    ASSERT_TRUE(ask("peer.commit", {{"sent", 1}, {"items", Json::array({item})}}, false));
    EXPECT_EQ(beta->inventory.pair(target_fs)->epoch, 1U);
}

class Questions : public Stranger {
  protected:
    Questions() {
        beta->zfs.at("backup/mallory").props.clear();
        EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
        beta->zfs.forget_calls();
    }
    Result<Json> ask(const peer::PeerMethod& method, Json params) {
        return test::run_task(io,
                              method.handler(beta->target, {"mallory", false}, std::move(params)));
    }
    void ask_everything(const std::string& source, const std::string& target) {
        const auto known = questions(source, target);
        for (const auto& method : peer::peer_methods()) {
            if (method.handler == nullptr) continue;
            ASSERT_TRUE(known.contains(method.name)) << "say above how it is asked";
            const auto answer = ask(method, known.at(method.name));
            const bool bad = !answer && answer.error().code == Code::invalid_params;
            EXPECT_FALSE(bad) << method.name << answer.error().text();
        }
        for (const char* mode : {"incremental", "resume", "full"}) {
            rpc::ReceiveIn in;
            in.source = source;
            in.target = target;
            in.snapshot = "zrep_000007";
            in.mode = mode;
            EXPECT_FALSE(test::run_task(io, beta->target.open_receive("mallory", in)));
        }
    }
    std::size_t listings() const {
        return beta->zfs.count("datasets") + beta->zfs.count("versions");
    }
};

/// It could ask for one after the other, of tens of thousands of datasets.
TEST_F(Questions, CostNoListing) {
    // The name of a source is no secret; it is the host's name that counts.
    for (const char* source : {"tank/fs", "tank/evil"}) {
        for (const char* target : {"backup/fs", "backup/nothing", "backup/mallory/x"}) {
            ask_everything(source, target);
            EXPECT_EQ(listings(), 0U) << source << " " << target;
        }
    }
    rpc::PrepareIn prepare;
    prepare.host = "beta";
    prepare.source = "tank/evil";
    prepare.target = "backup/evil";
    EXPECT_TRUE(test::run_task(io, beta->target.prepare("alpha", prepare)));
    EXPECT_EQ(beta->zfs.count("datasets"), 1U) << "who may make something is looked for anew";
}

TEST_F(Questions, CostOneLookInASecondWhereSomethingChanges) {
    const auto begun = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begun < sync::kPeerLookEvery * 3 / 2) {
        beta->inventory.note({});
        ask_everything("tank/evil", "backup/fs");
    }
    const auto took = std::chrono::steady_clock::now() - begun;
    const auto most = 1 + static_cast<std::size_t>(took / sync::kPeerLookEvery);
    EXPECT_GE(beta->zfs.count("datasets"), 1U);
    EXPECT_LE(beta->zfs.count("datasets"), most);
}

/// A name that is stale on the other side would cost a look at the whole host.
TEST_F(Questions, WithAStaleNameAmongThemAreAnsweredForTheOthers) {
    beta->inventory.note({});
    beta->zfs.forget_calls();
    const Json ours{{"source", "tank/fs"}, {"target", "backup/fs"}};
    const Json stale{{"source", "tank/gone"}, {"target", "backup/gone"}};
    Json params{{"pairs", Json::array({ours, stale})}, {"sends", false}};
    const peer::PeerMethod& look = *peer::find_peer_method("peer.look");
    const auto answer =
        test::run_task(io, look.handler(beta->target, {"alpha", false}, std::move(params)));
    ASSERT_TRUE(answer) << answer.error().text();
    EXPECT_TRUE(answer->at("targets")[0].at("is_pair").get<bool>());
    EXPECT_EQ(beta->zfs.count("datasets"), 1U) << "its own, and no look at all there is";
}

TEST_F(Questions, AreOfFiveHundredDatasetsAtMost) {
    std::size_t lists = 0;
    for (const auto& [name, params] : questions("tank/evil", "backup/fs")) {
        const peer::PeerMethod* method = peer::find_peer_method(name);
        ASSERT_NE(method, nullptr) << name;
        const Json most = with_many(params, peer::kMaxPerRequest);
        if (most == params) continue;
        ++lists;
        EXPECT_TRUE(ask(*method, most)) << name;
        const auto refused = ask(*method, with_many(params, peer::kMaxPerRequest + 1));
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code, Code::invalid_params) << name;
        EXPECT_NE(refused.error().message.find("500"), std::string::npos) << name;
    }
    EXPECT_EQ(lists, 6U) << "look, commit, expire, facts, roles, lease";
}

TEST_F(Questions, NameNoDatasetTwice) {
    for (const auto& [name, params] : questions("tank/evil", "backup/fs")) {
        Json twice = with_many(params, 2);
        if (twice == params) continue;
        for (const char* key : {"pairs", "sides", "items"}) {
            if (twice.contains(key)) twice[key][1]["target"] = twice[key][0]["target"];
        }
        const auto refused = ask(*peer::find_peer_method(name), twice);
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code, Code::invalid_params) << name;
        EXPECT_NE(refused.error().message.find("twice"), std::string::npos) << name;
    }
}

TEST_F(Stranger, StoresNoNonsenseWithAFirstStream) {
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::ReceiveIn in;
    in.source = "tank/evil";
    in.target = "backup/mallory/x";
    in.snapshot = "zrep_000001";
    in.mode = "full";
    in.kind = "filesystem";
    const std::map<std::string, std::string> pair{{"zrep:src-host", "mallory"},
                                                  {"zrep:src-fs", "tank/evil"},
                                                  {"zrep:dest-host", "beta"},
                                                  {"zrep:dest-fs", in.target}};
    const std::vector<std::pair<std::string, std::string>> refused{
        {"zrep:savecount", ""},
        {"zrep:savecount", "many"},
        {"zrep:savecount", "0"},
        {"zrep:savecount", "99999999999999999999"},
        {"zrep:epoch", ""},
        {"zrep:epoch", "-1"},
        {"zrep:epoch", "1x"},
        {"zrep:epoch", "01"},
        {"zrep:epoch", "9223372036854775808"},
        {"zrep:epoch", "18446744073709551615"},
        {"zrep:master", "yes"},
        {"zrep:tree", "maybe"},
    };
    for (const auto& [key, value] : refused) {
        in.settings = pair;
        in.settings[key] = value;
        const auto opened = test::run_task(io, beta->target.open_receive("mallory", in));
        ASSERT_FALSE(opened) << key << "=" << value;
        EXPECT_EQ(opened.error().code, Code::invalid_params) << key << "=" << value;
    }
    in.settings = pair;
    in.settings["zrep:savecount"] = "7";
    in.settings["zrep:epoch"] = "9223372036854775807";
    EXPECT_TRUE(test::run_task(io, beta->target.open_receive("mallory", in)));
}

/// Of what it lets come to nothing, under ever new names, nothing is kept.
TEST_F(Stranger, IsNotRememberedByNamesThatCameToNothing) {
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::ReceiveIn in;
    in.source = "tank/evil";
    in.snapshot = "zrep_000001";
    in.mode = "full";
    in.kind = "filesystem";
    const auto remembered = [&](const std::string& name, const std::string& stream) {
        in.target = "backup/mallory/" + name;
        in.settings = {{"zrep:src-host", "mallory"},
                       {"zrep:src-fs", in.source},
                       {"zrep:dest-host", "beta"},
                       {"zrep:dest-fs", in.target}};
        auto receiver = test::run_task(io, beta->target.open_receive("mallory", in));
        auto pipe = make_pipe();
        EXPECT_TRUE(receiver) << receiver.error().text();
        EXPECT_GT(::write(pipe->write.get(), stream.data(), stream.size()), 0);
        pipe->write.reset();
        const auto ended = test::run_task(
            io, (*receiver)->receive(std::move(pipe->read), /*direct=*/true, std::string()));
        EXPECT_TRUE(ended.error);
        return beta->runs.remembered(*DatasetName::parse(in.target)) != nullptr;
    };
    for (const char* name : {"a", "b", "c"}) {
        EXPECT_FALSE(remembered(name, test::begin_record())) << name;
    }
    // What came in part is there, and its next stream goes on with it.
    const test::FakeZfs::Header header{
        .name = "tank/evil@zrep_000001", .guid = Guid{5}, .base = {}, .content = 1, .bytes = 1'000};
    EXPECT_TRUE(remembered("cut", test::begin_record() + header.line() + std::string(100, 'z')));
}

/// It would found something that is nobody's pair.
TEST_F(Stranger, FoundsNothingByGoingOnWithSomething) {
    guard.reset();
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = target_fs.str();
    in.snapshot = "zrep_000007";
    in.mode = "incremental";
    const auto full = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Code::invalid_params);
    in.mode = "resume";
    in.abort_partial = true;
    const auto emptied = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(emptied);
    EXPECT_EQ(emptied.error().code, Code::invalid_params);
}

}  // namespace
}  // namespace zrepd
