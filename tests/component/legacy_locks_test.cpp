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

TEST_F(LegacyLocks, OfAProcessThatIsGoneAreTakenAwayAndLogged) {
    const auto lock = [&](const char* dataset, std::string pid) {
        alpha->zfs.at(dataset).props[std::string(prop::kLockPid)] = {std::move(pid), Source::local};
        alpha->zfs.at(dataset).props[std::string(prop::kLockTime)] = {"1700000000", Source::local};
    };
    for (const char* name : {"tank/alive", "tank/odd", "tank/inherits"}) alpha->zfs.create(name);
    lock("tank/fs", std::to_string(INT32_MAX));
    lock("tank/alive", std::to_string(::getpid()));
    lock("tank/odd", "-1");
    EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
    alpha->zfs.forget_calls();
    ::testing::internal::CaptureStdout();
    test::run_task(io, sync::clear_stale_locks(alpha->sync));
    log::flush();
    const std::string logged = ::testing::internal::GetCapturedStdout();
    for (const char* name : {"tank/fs", "tank/odd"}) {
        for (const auto key : {prop::kLockPid, prop::kLockTime}) {
            const auto& props = alpha->zfs.at(name).props;
            const auto found = props.find(std::string(key));
            EXPECT_TRUE(found == props.end() || found->second.value.empty()) << name << key;
        }
        EXPECT_NE(logged.find("] stale_lock dataset=" + std::string(name)), std::string::npos)
            << logged;
    }
    EXPECT_EQ(alpha->zfs.at("tank/alive").props.at(std::string(prop::kLockPid)).value,
              std::to_string(::getpid()));
    EXPECT_EQ(alpha->zfs.changes().size(), 2U) << "nothing was done where nothing was left";
}

}  // namespace
}  // namespace zrepd
