// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/verb_role_states.hpp"

#include "daemon/failover/lease.hpp"
#include "tests/fakes/hook_folder.hpp"

namespace zrepd::test {
namespace {

// Of a real lease it is ten seconds at least, which each takeover -L here would wait for.
constexpr failover::BootTime kWait{700};

void refuse(TestHost& host, const std::string& program, const std::string& why) {
    // Only what is root's is run: without that each row would be of a refusal of another kind.
    require_root();
    host.config.hooks_dir = host.config.runtime_dir / "hooks";
    write_program(host.config.hooks_dir / program, "#!/bin/sh\necho '" + why + "' >&2\nexit 1\n");
}

void take_over_alone(VerbWorld& w) {
    rpc::RoleIn in;
    in.datasets = {"backup/fs"};
    in.local_only = true;
    auto started = run_task(w.context(), w.service(w.b()).takeover(in, control::Caller{}));
    EXPECT_EQ(w.follow(w.b(), std::move(started)).exit_status, 0);
    w.new_for_init = false;
}

}  // namespace

/// As Leases::make_readonly() stores it, and Grants on the other side before that.
void lost_lease(VerbWorld& w) {
    for (const auto& [key, value] : {std::pair{prop::kFence, "lease"},
                                     {prop::kCanmount, "on"},
                                     {"canmount", "noauto"},
                                     {"readonly", "on"},
                                     {prop::kInprogress, "freezing lease=out"}}) {
        w.give(w.a(), "tank/fs", key, value);
    }
    w.give(w.b(), "backup/fs", prop::kFence, "lease");
    w.give(w.b(), "backup/fs", prop::kLease, to_text(failover::LeaseNote{.wait = kWait}));
    w.new_for_init = false;
    w.cut_link();
}

void hook_refuses(VerbWorld& w) {
    refuse(w.a(), "pre-demote.d/10-orders", "orders are booked until 04:00");
}

void hook_refuses_there(VerbWorld& w) {
    refuse(w.b(), "pre-promote.d/10-address", "192.0.2.7 is answered by another host");
}

void host_renamed(VerbWorld& w) {
    w.give(w.a(), "tank/fs", prop::kSrcHost, "omega");
    w.give(w.b(), "backup/fs", prop::kSrcHost, "omega");
    w.give(w.b(), "backup", prop::kAccept, "omega");
    w.new_for_init = false;
}

void overtaken(VerbWorld& w) {
    w.cut_link();
    take_over_alone(w);
}

void overtaken_back(VerbWorld& w) {
    take_over_alone(w);
}

}  // namespace zrepd::test
