// SPDX-License-Identifier: BSD-2-Clause
// RolesTest: two daemons with one pair, tank/fs on alpha its master, backup/fs on beta its target.
// TwoRoles: the same before anything was made a pair, and what tests of role changes ask of them.
#pragma once

#include "tests/fakes/two_hosts.hpp"

namespace zrepd::test {

using failover::Ask;

class TwoRoles : public TwoHosts {
  protected:
    TwoRoles() : loops(io.get_executor()) {}
    ~TwoRoles() override {
        loops.cancel();
        run_task(io, loops.join());
    }
    TwoRoles(const TwoRoles&) = delete;
    TwoRoles& operator=(const TwoRoles&) = delete;

    void made() {
        discover();
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }

    void discover() {
        for (auto* host : {&*alpha, &*beta}) {
            EXPECT_TRUE(run_task(io, host->inventory.discover()));
        }
    }
    /// alpha's key is good for `zrepctl peer` alone from now on, also where it is logged in
    /// already.
    void restrict_alpha() {
        alpha->relay.restricted = true;
        for (const pid_t child : alpha->relay.children) ::kill(child, SIGKILL);
        run_until(io, [this] {
            return alpha->peers.state(beta->config.host) != peer::PeerState::connected;
        });
    }
    /// Both daemons go on with what was cut off, as in app.cpp.
    void start_loops() {
        loops.spawn("alpha's roles", alpha->roles.run());
        loops.spawn("beta's roles", beta->roles.run());
    }
    rpc::RunResult change(TestHost& host, Ask ask, const DatasetName& dataset) {
        const auto started = host.roles.start(ask, {dataset});
        if (!started) return sync::failed_result(dataset, started.error());
        const sync::RunPtr run = host.runs.find(started->run_id);
        run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
    static std::string prop_of(TestHost& host, std::string_view dataset, std::string_view key) {
        const auto& props = host.zfs.at(dataset).props;
        const auto found = props.find(key);
        return found == props.end() ? "" : found->second.value;
    }
    bool is_master(TestHost& host, std::string_view dataset) {
        return prop_of(host, dataset, prop::kMaster) == "yes" &&
               prop_of(host, dataset, "readonly") != "on" &&
               prop_of(host, dataset, prop::kInprogress).empty();
    }
    bool is_target(TestHost& host, std::string_view dataset) {
        return prop_of(host, dataset, prop::kMaster) != "yes" &&
               prop_of(host, dataset, "readonly") == "on" &&
               prop_of(host, dataset, prop::kInprogress).empty();
    }
    void expect_roles(bool alpha_is_master, const std::string& epoch) {
        EXPECT_TRUE(alpha_is_master ? is_master(*alpha, "tank/fs") : is_target(*alpha, "tank/fs"));
        EXPECT_TRUE(alpha_is_master ? is_target(*beta, "backup/fs")
                                    : is_master(*beta, "backup/fs"));
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kEpoch), epoch);
        EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kEpoch), epoch);
    }
    static Error broken() { return {.code = Code::zfs_failed, .message = "out of order"}; }
    void give(TestHost& host, std::string_view dataset, std::string_view key, std::string value) {
        host.zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    /// Two masters of one epoch, as only hands can make them.
    void split() {
        give(*beta, "backup/fs", prop::kMaster, "yes");
        give(*beta, "backup/fs", "readonly", "off");
        give(*beta, "backup/fs", prop::kSrcHost, "beta");
        give(*beta, "backup/fs", prop::kSrcFs, "backup/fs");
        give(*beta, "backup/fs", prop::kDestHost, "alpha");
        give(*beta, "backup/fs", prop::kDestFs, "tank/fs");
        discover();
    }

    TaskGroup loops;
};

class RolesTest : public TwoRoles {
  protected:
    RolesTest() {
        EXPECT_EQ(init().outcome, "done");
        made();
    }
};

}  // namespace zrepd::test
