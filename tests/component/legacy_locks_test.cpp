// SPDX-License-Identifier: BSD-2-Clause
// Locks that a shell zrep left on filesystems.
#include "daemon/sync/legacy_locks.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/log.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using LegacyLocks = test::TwoHosts;

TEST_F(LegacyLocks, OfPairsWhoseProcessIsGoneAreTakenAwayAndLogged) {
    ASSERT_EQ(init().outcome, "done");
    const auto lock = [&](const char* dataset, std::string pid) {
        alpha->zfs.at(dataset).props[std::string(prop::kLockPid)] = {std::move(pid), Source::local};
        alpha->zfs.at(dataset).props[std::string(prop::kLockTime)] = {"1700000000", Source::local};
    };
    const auto locked = [&](const char* dataset) {
        const auto& props = alpha->zfs.at(dataset).props;
        const auto found = props.find(std::string(prop::kLockPid));
        return found != props.end() && !found->second.value.empty();
    };
    const auto clear = [&] {
        EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
        ::testing::internal::CaptureStdout();
        test::run_task(io, sync::clear_stale_locks(alpha->sync));
        log::flush();
        return ::testing::internal::GetCapturedStdout();
    };
    alpha->zfs.create("tank/container");
    lock("tank/container", std::to_string(INT32_MAX));
    lock("tank/fs", std::to_string(::getpid()));
    EXPECT_EQ(clear(), "");
    EXPECT_TRUE(locked("tank/fs")) << "that process lives";
    for (const std::string& pid : {std::to_string(INT32_MAX), std::string("-1")}) {
        lock("tank/fs", pid);
        const std::string logged = clear();
        EXPECT_NE(logged.find("] stale_lock dataset=tank/fs pid=" + pid), std::string::npos)
            << logged;
        EXPECT_FALSE(locked("tank/fs"));
    }
    EXPECT_TRUE(locked("tank/container")) << "no pair of ours";
}

Task<> wait_for_change(sync::Inventory& inventory, bool* woken) {
    co_await inventory.changed().wait_until(std::chrono::steady_clock::now() + test::kPatience);
    *woken = true;
}

TEST_F(LegacyLocks, WaitForThePoolsWithoutWakingTheScheduler) {
    ASSERT_FALSE(alpha->inventory.ready());
    TaskGroup tasks(io.get_executor());
    bool woken = false;
    tasks.spawn("scheduler", wait_for_change(alpha->inventory, &woken));
    test::run_ready(io);
    tasks.spawn("stale locks", sync::clear_stale_locks(alpha->sync));
    test::run_ready(io);
    EXPECT_FALSE(woken) << "where there is no ZFS the two would never sleep again";
    EXPECT_EQ(tasks.size(), 2U);
    tasks.cancel();
    test::run_task(io, tasks.join());
}

}  // namespace
}  // namespace zrepd
