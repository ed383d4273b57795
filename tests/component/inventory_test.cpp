// SPDX-License-Identifier: BSD-2-Clause
// When the inventory wants another look at the pools, and when a run of ours makes that wait.
#include "daemon/sync/inventory.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/fake_zfs.hpp"
#include "tests/fakes/run_task.hpp"

namespace zrepd::sync {
namespace {

DatasetName name(std::string_view text) {
    return *DatasetName::parse(text);
}

class InventoryTest : public ::testing::Test {
  protected:
    InventoryTest() {
        zfs.create("tank").create("tank/a").create("tank/b");
        look();
    }
    void look() {
        const Result<void> seen = test::run_task(io, inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    bool wants_look_while_a_is_busy() const {
        return inventory.needs_discovery([](const DatasetName& n) { return n == name("tank/a"); });
    }

    asio::io_context io;
    test::FakeZfs zfs{io.get_executor()};
    Inventory inventory{io.get_executor(), zfs, {.host = *HostName::parse("alpha")}};
};

TEST_F(InventoryTest, WantsALookAtFirstOnly) {
    Inventory fresh{io.get_executor(), zfs, {.host = *HostName::parse("alpha")}};
    EXPECT_TRUE(fresh.needs_discovery());
    EXPECT_FALSE(inventory.needs_discovery());
}

TEST_F(InventoryTest, WantsNoneForASnapshot) {
    inventory.note({.dataset = name("tank/a"), .versions_only = true});
    EXPECT_FALSE(inventory.needs_discovery());
}

TEST_F(InventoryTest, LetsAChangeOfABusyDatasetWait) {
    inventory.note({.dataset = name("tank/a")});
    EXPECT_TRUE(inventory.needs_discovery());
    EXPECT_FALSE(wants_look_while_a_is_busy());
    inventory.note({.dataset = name("tank/b")});
    EXPECT_TRUE(wants_look_while_a_is_busy());
}

TEST_F(InventoryTest, NeverLetsAChangeOfAnythingWait) {
    inventory.note({});
    EXPECT_TRUE(wants_look_while_a_is_busy());
    look();
    EXPECT_FALSE(inventory.needs_discovery());
}

}  // namespace
}  // namespace zrepd::sync
