// SPDX-License-Identifier: BSD-2-Clause
// LeaseTest: zrep:fence=lease between two daemons in one process, with leases of two seconds: the
// times are real, ZFS is not.
#pragma once

#include <algorithm>

#include "daemon/clock.hpp"
#include "tests/fakes/roles_test.hpp"

namespace zrepd::test {

inline constexpr std::chrono::seconds kLeaseTime{2};

class LeaseTest : public RolesTest {
  protected:
    LeaseTest() {
        alpha->zfs.at("tank/fs").mounted = true;
        for (auto* host : {&*alpha, &*beta}) host->config.lease_time = kLeaseTime;
        watch_ = alpha->events.subscribe([this](const rpc::EventOut& event) {
            seen.push_back(event.event);
            return true;
        });
    }
    void lease(TestHost& host, std::string_view dataset) {
        give(host, dataset, prop::kFence, "lease");
        EXPECT_TRUE(run_task(io, host.inventory.discover()));
        host.roles.look_again();
    }
    /// alpha is master under a lease that beta confirmed.
    void begin() {
        discover();
        start_loops();
        lease(*alpha, "tank/fs");
        run_until(io, [&] { return saw("lease_confirmed") && is_bound(); });
        EXPECT_TRUE(is_writable());
    }
    /// The target knows on its disk that the master will be readonly without it.
    bool is_bound() {
        const std::string note = prop_of(*beta, "backup/fs", prop::kLease);
        return !note.empty() && note.find(" open") == note.npos;
    }
    ~LeaseTest() override {
        if (healed) run_task(io, healed->stop());
    }
    LeaseTest(const LeaseTest&) = delete;
    LeaseTest& operator=(const LeaseTest&) = delete;

    void cut_link() { run_task(io, healed ? healed->stop() : beta->server.stop()); }
    void heal_link() {
        healed.emplace(io.get_executor(), beta->target);
        EXPECT_TRUE(healed->listen(directory / "beta.sock"));
    }
    bool saw(std::string_view event) {
        return std::find(seen.begin(), seen.end(), event) != seen.end();
    }
    bool is_writable() { return prop_of(*alpha, "tank/fs", "readonly") != "on"; }
    bool is_closed() {
        return !is_writable() &&
               prop_of(*alpha, "tank/fs", prop::kInprogress).starts_with("freezing");
    }
    void run_for(std::chrono::milliseconds time) {
        const auto until = std::chrono::steady_clock::now() + time;
        run_until(io, [&] { return std::chrono::steady_clock::now() > until; });
    }

    std::vector<std::string> seen;
    std::optional<peer::Server> healed;  ///< what stopped once does not start again

  private:
    std::shared_ptr<void> watch_;
};

}  // namespace zrepd::test
