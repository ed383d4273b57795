// SPDX-License-Identifier: BSD-2-Clause
// ServiceFixture: what the daemon on alpha answers about its pairs, on pools in memory.
#pragma once

#include "daemon/clock.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd::test {

class ServiceFixture : public TwoHosts {
  protected:
    static constexpr control::Caller kRoot{.access = control::Access::admin};

    Result<rpc::StatusOut> status(std::vector<std::string> names = {}) {
        return service.status({.datasets = std::move(names)});
    }
    void look() {
        const Result<void> seen = run_task(io, alpha->inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    /// With the snapshots: a look alone takes those of known pairs from memory.
    void list_again() {
        const auto seen = run_task(io, alpha->inventory.refresh_one(fs, sync::Freshness::listed));
        EXPECT_TRUE(seen.has_value());
    }
    Task<> discover_and_forget() {
        auto seen = co_await alpha->inventory.discover();
        EXPECT_TRUE(seen.has_value());
    }
    Task<> sync_all_into(std::string* note) {
        rpc::SyncIn all;
        all.all = true;
        auto out = co_await service.sync(std::move(all), control::Caller{});
        EXPECT_TRUE(out);
        if (out) *note = out->note.value_or("nothing said");
    }
    Task<> list_and_count(std::size_t* answered) {
        auto out = co_await service.list({}, kRoot);
        *answered += out ? 1U : 0U;
    }
    Result<rpc::RunStarted> sync_all() {
        rpc::SyncIn all;
        all.all = true;
        return run_task(io, service.sync(std::move(all), control::Caller{}));
    }
    void set(std::string_view dataset, std::string_view key, std::string value) {
        alpha->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    rpc::PairStatus status_of_fs() { return status({"tank/fs"})->pairs.at(0); }
    /// tank/fs as a master whose newest snapshot was acknowledged so long ago.
    void store_synced(std::int64_t seconds_ago) {
        store_pair("tank/fs", /*target=*/false);
        alpha->zfs.take("tank/fs@zrep_000001");
        alpha->zfs.at("tank/fs").snapshots.back().sent = unix_now() - seconds_ago;
    }
    /// A dataset of alpha's as one side of a pair with beta, as its properties have it.
    void store_pair(const std::string& dataset, bool target) {
        const std::string other = "other/" + dataset.substr(dataset.find('/') + 1);
        set(dataset, prop::kSrcHost, target ? "beta" : "alpha");
        set(dataset, prop::kSrcFs, target ? other : dataset);
        set(dataset, prop::kDestHost, target ? "alpha" : "beta");
        set(dataset, prop::kDestFs, target ? dataset : other);
        set(dataset, prop::kEpoch, "1");
        if (!target) set(dataset, prop::kMaster, "yes");
    }

    ServedHost served{*alpha};
    DaemonService& service = served.service;
};

}  // namespace zrepd::test
