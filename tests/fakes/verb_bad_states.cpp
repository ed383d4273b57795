// SPDX-License-Identifier: BSD-2-Clause
// The states, each made as the daemon or the world makes it, then looked at by both daemons.
#include "daemon/zfs/parse.hpp"
#include "tests/fakes/verb_role_states.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd::test {
namespace {

const DatasetName kMaster = *DatasetName::parse("tank/fs");
const DatasetName kTarget = *DatasetName::parse("backup/fs");

void store(VerbWorld& w, TestHost& host, std::string_view key, const std::string& value) {
    w.give(host, &host == &w.a() ? "tank/fs" : "backup/fs", key, value);
}

void journal(VerbWorld& w, TestHost& host, const std::string& text) {
    store(w, host, prop::kInprogress, text);
    w.new_for_init = false;
}

/// A journal of the master's side before the hand-over, or of the target's after the promotion.
std::function<void(VerbWorld&)> freezing() {
    return [](VerbWorld& w) {
        store(w, w.a(), "readonly", "on");
        journal(w, w.a(), "freezing");
    };
}

/// alpha gave the role away, and beta never heard of it.
std::function<void(VerbWorld&)> gone_from_alpha(const std::string& text) {
    return [text](VerbWorld& w) {
        for (const auto& [key, value] : {std::pair{prop::kMaster, "no"},
                                         {prop::kEpoch, "2"},
                                         {prop::kSrcHost, "beta"},
                                         {prop::kSrcFs, "backup/fs"},
                                         {prop::kDestHost, "alpha"},
                                         {prop::kDestFs, "tank/fs"}}) {
            store(w, w.a(), key, value);
        }
        store(w, w.a(), "readonly", "on");
        w.a().zfs.at("tank/fs").mounted = false;
        journal(w, w.a(), text);
    };
}

void conflict(VerbWorld& w) {
    auto& here = w.a().zfs.at("tank/fs");
    here.snapshots.clear();
    here.bookmarks.clear();
}

void fenced(VerbWorld& w) {
    store(w, w.a(), prop::kFence, "boot");
    store(w, w.a(), prop::kCanmount, "on");
    store(w, w.a(), "canmount", "noauto");
    w.a().zfs.at("tank/fs").mounted = false;
}

void cleared_there(VerbWorld& w) {
    auto& props = w.b().zfs.at("backup/fs").props;
    std::erase_if(props, [](const auto& p) { return p.first.starts_with("zrep:"); });
    w.b().zfs.at("backup").props.clear();
}

/// The network between them is gone, for both.
void unreachable(VerbWorld& w) {
    w.a().relay.away["beta"] = Code::peer_unreachable;
    w.b().relay.away["alpha"] = Code::peer_unreachable;
    w.cut_link();
}

/// Each side's key is not in the other's authorized_keys any more.
void key_refused(VerbWorld& w) {
    w.a().relay.away["beta"] = Code::peer_auth;
    w.b().relay.away["alpha"] = Code::peer_auth;
    w.cut_link();
}

/// beta was upgraded to one that does not speak our protocol any more.
void other_protocol(VerbWorld& w) {
    const auto greet = [](TestHost& host, const std::string& peer) {
        rpc::Hello hello;
        hello.protocol = "2.0";
        hello.version = "9.9.9";
        hello.host = peer;
        hello.access = "peer";
        host.relay.greetings[peer] = rpc::notification_line("hello", rpc::encode(hello));
    };
    greet(w.a(), "beta");
    greet(w.b(), "alpha");
    w.cut_link();
}

/// There was room as it was looked at; each receive finds none.
void fills_up(VerbWorld& w) {
    w.b().zfs.on_call([&w](const std::string& call) {
        if (!call.starts_with("receive ")) return;
        w.b().zfs.fail_next("receive",
                            parse::failure("cannot receive incremental stream: out of space", ""));
    });
}

void below_minfree(VerbWorld& w) {
    w.give(w.a(), "tank", prop::kMinfree, "10G");
    w.a().zfs.set_available(std::uint64_t{1} << 30);
}

void tree_member_gone(VerbWorld& w) {
    w.make_tree();
    w.b().zfs.forget("backup/fs/a");
}

void tree_member_conflict(VerbWorld& w) {
    w.make_tree();
    auto& member = w.a().zfs.at("tank/fs/a");
    member.snapshots.clear();
    member.bookmarks.clear();
}

void tree_freezing(VerbWorld& w) {
    w.make_tree();
    store(w, w.a(), "readonly", "on");
    journal(w, w.a(), "freezing");
}

void half_a_stream(VerbWorld& w) {
    w.b().zfs.cut_next_receive(1'000);
    rpc::SyncIn in;
    in.datasets = {"tank/fs"};
    auto started = run_task(w.context(), w.service(w.a()).sync(in, control::Caller{}));
    EXPECT_EQ(w.follow(w.a(), std::move(started)).exit_status, 1);
    EXPECT_TRUE(w.b().zfs.at("backup/fs").partial);
}

void no_dataset(VerbWorld& w) {
    w.master_name = "tank/none";
    w.target_name = "backup/none";
    w.rescue_name = w.master_name;
    w.new_for_init = false;
}

void no_pair(VerbWorld& w) {
    w.master_name = "tank/plain";
    w.target_name = "backup/plain";
    w.rescue_name = w.master_name;
    w.new_for_init = false;
}

void wrong_side(VerbWorld& w) {
    w.swapped = true;
    w.new_for_init = false;
}

/// As Processes::run has it.
Error hangs() {
    return {.code = Code::timed_out,
            .message = "zfs did not end within 60 s",
            .remedy = "look at zpool status, and at dmesg for a disk or path that hangs"};
}

}  // namespace

const std::vector<BadState>& bad_states() {
    static const std::vector<BadState> all{
        {"healthy", [](VerbWorld&) {}},
        {"no dataset", no_dataset},
        {"no pair", no_pair},
        {"wrong side", wrong_side},
        {"peer away", [](VerbWorld& w) { w.cut_link(); }},
        {"peer unreachable", unreachable},
        {"key refused", key_refused},
        {"other protocol", other_protocol},
        {"peer refuses us", cleared_there},
        {"paused", [](VerbWorld& w) { store(w, w.a(), prop::kPaused, "yes"); }},
        {"paused there", [](VerbWorld& w) { store(w, w.b(), prop::kPaused, "yes"); }},
        {"initializing",
         [](VerbWorld& w) {
             store(w, w.a(), prop::kMaster, "no");
             journal(w, w.a(), "init");
         }},
        {"freezing", freezing()},
        {"handed over", gone_from_alpha("handed_over")},
        {"stepping down", gone_from_alpha("stepping_down base=1")},
        {"rejoining", [](VerbWorld& w) { journal(w, w.b(), "rejoining base=1"); }},
        {"promoted", [](VerbWorld& w) { journal(w, w.a(), "promoted"); }},
        {"split brain",
         [](VerbWorld& w) {
             w.split();
             w.new_for_init = false;
         }},
        {"conflict", conflict},
        {"fenced", fenced},
        {"lost lease", lost_lease},
        {"hook refuses", hook_refuses},
        {"hook refuses there", hook_refuses_there},
        {"host renamed", host_renamed},
        {"overtaken", overtaken},
        {"overtaken back", overtaken_back},
        {"pool readonly there", [](VerbWorld& w) { w.b().zfs.set_pool_readonly("backup"); }},
        {"pool readonly here", [](VerbWorld& w) { w.a().zfs.set_pool_readonly("tank"); }},
        {"pool suspended", [](VerbWorld& w) { w.a().zfs.set_pool_trouble("tank", "SUSPENDED"); }},
        {"pool suspended there",
         [](VerbWorld& w) { w.b().zfs.set_pool_trouble("backup", "SUSPENDED"); }},
        {"target full", fills_up},
        {"quota there", [](VerbWorld& w) { w.b().zfs.set_available(0); }},
        {"below minfree", below_minfree},
        {"zfs fails",
         [](VerbWorld& w) {
             w.a().zfs.break_all(parse::failure("internal error: cannot do that", "", "tank"));
         }},
        {"zfs hangs", [](VerbWorld& w) { w.a().zfs.break_all(hangs()); }},
        {"target touched", [](VerbWorld& w) { w.b().zfs.write("backup/fs", 3'000); }},
        {"foreign snapshot there", [](VerbWorld& w) { w.b().zfs.take("backup/fs@mine"); }},
        {"half a stream", half_a_stream},
        {"sync under way",
         [](VerbWorld& w) {
             w.new_for_init = false;
             w.occupy(w.a(), kMaster, "sync");
         }},
        {"failover under way",
         [](VerbWorld& w) {
             w.new_for_init = false;
             w.occupy(w.a(), kMaster, "failover");
         }},
        {"source nonsense",
         [](VerbWorld& w) {
             store(w, w.a(), prop::kSrcFs, "//no such//name");
             w.new_for_init = false;
         }},
        {"epoch nonsense",
         [](VerbWorld& w) {
             store(w, w.a(), prop::kEpoch, "seven");
             w.new_for_init = false;
         }},
        {"tree", [](VerbWorld& w) { w.make_tree(); }},
        {"tree member gone", tree_member_gone},
        {"tree member conflict", tree_member_conflict},
        {"tree freezing", tree_freezing},
    };
    return all;
}

}  // namespace zrepd::test
