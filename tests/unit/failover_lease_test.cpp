// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/lease.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/props.hpp"
#include "daemon/failover/changes.hpp"
#include "daemon/failover/journal.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::failover {
namespace {

using namespace std::chrono_literals;

constexpr BootTime kTime = 20s;

plan::Pair pair_of(const Dataset& dataset) {
    return *plan::pair_of(dataset, plan::Self{*HostName::parse("alpha")});
}

Dataset master(const std::string& fence) {
    Dataset out = test::master(0);
    out.props[std::string(prop::kFence)] = {fence, Source::local};
    return out;
}

TEST(Lease, IsOnlyThatOfAMasterWithItsFenceAndOfAFilesystem) {
    Dataset dataset = master("lease");
    EXPECT_TRUE(is_leased(dataset, pair_of(dataset)));
    auto target = pair_of(dataset);
    target.role = plan::Role::target;
    EXPECT_FALSE(is_leased(dataset, target));
    dataset.kind = Kind::volume;
    EXPECT_FALSE(is_leased(dataset, pair_of(dataset)));
    for (const char* fence : {"off", "boot", "lease?"}) {
        dataset = master(fence);
        EXPECT_FALSE(is_leased(dataset, pair_of(dataset))) << fence;
    }
}

TEST(Lease, RunsFromWhenTheConfirmedRequestWasSent) {
    Lease lease{.epoch = 1};
    EXPECT_FALSE(has_run_out(lease, 1000h)) << "nobody counts on it yet";
    confirm(lease, 100s, kTime);
    EXPECT_FALSE(has_run_out(lease, 100s + kTime - 1ms));
    EXPECT_FALSE(is_at_risk(lease, 100s + kTime - kTime / 4, kTime));
    EXPECT_TRUE(is_at_risk(lease, 100s + kTime - kTime / 4 + 1ms, kTime));
    EXPECT_FALSE(is_at_risk(lease, 100s + kTime, kTime)) << "too late";
    EXPECT_TRUE(has_run_out(lease, 100s + kTime));
    // An answer that comes late takes nothing back.
    confirm(lease, 90s, kTime);
    EXPECT_EQ(lease.until, 100s + kTime);
}

/// The slowest master's clock against the fastest target's, with 10 % each, and a set that is still
/// to land.
TEST(Lease, WhoeverConfirmsItWaitsLonger) {
    for (const BootTime time : {BootTime(5s), kTime, kLongestLease, BootTime(5001ms)}) {
        const double master = static_cast<double>(time.count()) / 0.9;
        const double target = static_cast<double>(wait_of(time).count()) / 1.1;
        const double set = 0.9 * static_cast<double>(kSetTime.count());
        EXPECT_GE(target, master + set) << time.count();
    }
}

TEST(Lease, ARestartOfZrepdProlongsNothing) {
    const Lease kept{.epoch = 3, .until = 110s};
    EXPECT_EQ(after_start(kept, 3, 100s, kTime).until, 110s);
    EXPECT_EQ(after_start(Lease{.epoch = 3, .until = 500s}, 3, 100s, kTime).until, 120s);
    EXPECT_EQ(after_start(Lease{.epoch = 3}, 3, 100s, kTime).until, std::nullopt);
    EXPECT_EQ(after_start(std::nullopt, 3, 100s, kTime).until, 120s);
    EXPECT_EQ(after_start(kept, 5, 100s, kTime).until, 120s) << "of another epoch";
}

TEST(Lease, OnlyATargetAtRestConfirms) {
    const TargetState good{.target = true, .epoch = 3};
    EXPECT_TRUE(may_confirm(good, 3));
    EXPECT_TRUE(may_confirm(good, 5)) << "it has not heard of it yet";
    EXPECT_FALSE(may_confirm(good, 1)) << "an old master";
    TargetState other = good;
    other.target = false;
    EXPECT_FALSE(may_confirm(other, 3));
    other = good;
    other.becoming_master = true;
    EXPECT_FALSE(may_confirm(other, 3));
    for (const Journal j : {Journal::handed_over, Journal::stepping_down, Journal::freezing}) {
        other = good;
        other.journal = j;
        EXPECT_FALSE(may_confirm(other, 3)) << name(j);
    }
    other.journal = Journal::rejoining;
    EXPECT_TRUE(may_confirm(other, 3)) << "the new master needs it while the old one cleans up";
}

TEST(Lease, ATakeoverWaitsFromTheLastConfirmationOrTheStart) {
    EXPECT_EQ(free_at(100s, std::nullopt, 35s), 135s);
    EXPECT_EQ(free_at(100s, 200s, 35s), 235s);
    EXPECT_EQ(free_at(300s, 200s, 35s), 335s);
}

TEST(Lease, ItsNoteIsReadBack) {
    for (const LeaseNote& note : {LeaseNote{.wait = 35s},
                                  LeaseNote{.wait = 16250ms, .witness = "/mnt/w"},
                                  LeaseNote{.wait = 35s, .open = true},
                                  LeaseNote{.wait = 35s, .witness = "/mnt/w", .open = true}}) {
        EXPECT_EQ(read_note(to_text(note)), note) << to_text(note);
    }
    EXPECT_EQ(to_text(LeaseNote{.wait = 35s}), "wait=35000ms");
    for (const char* text : {"?", "wait=", "wait=5", "wait=-5ms", "wait=99999999999999999999ms"}) {
        EXPECT_EQ(read_note(text).wait, wait_of(kLongestLease)) << text;
    }
    Dataset dataset = test::master(0);
    EXPECT_FALSE(note_of(dataset));
    dataset.props[std::string(prop::kLease)] = {"wait=35000ms", Source::received};
    EXPECT_FALSE(note_of(dataset)) << "that of the master, from a stream";
    dataset.props[std::string(prop::kLease)] = {"wait=35000ms", Source::local};
    EXPECT_EQ(note_of(dataset), (LeaseNote{.wait = 35s}));
}

TEST(Lease, WhatIsKeptForTheNextStartIsReadBackInThisBootAlone) {
    const LeaseList leases{
        {*DatasetName::parse("tank/my data"), {.epoch = 3, .until = 123456ms, .witness = "/mnt/w"}},
        {*DatasetName::parse("tank/fs"), {.epoch = 1}},
        {*DatasetName::parse("tank/a b"), {.epoch = 2, .guid = Guid{17}}},
    };
    const std::string text = to_text(leases, "boot-1");
    EXPECT_EQ(text,
              "boot-1\n2 open - 17 tank/a b\n1 open - tank/fs\n3 123456 /mnt/w tank/my data\n");
    EXPECT_EQ(read_leases(text, "boot-1"), leases);
    EXPECT_TRUE(read_leases(text, "boot-2").empty());
    EXPECT_TRUE(read_leases("", "").empty());
    EXPECT_TRUE(
        read_leases("boot-1\nx 1 - tank/fs\n1 y - tank/fs\n1 2 -\n1 2 - @\n1 2 - 3\n", "boot-1")
            .empty());
}

TEST(Lease, ThatRanOutInARoleChangeIsNotedOnTheMasterUntilItsNextStep) {
    Dataset dataset = master("lease");
    EXPECT_FALSE(closed_note_of(dataset));
    for (const bool here : {false, true}) {
        const ClosedNote note{.readonly_was_here = here};
        dataset.props[std::string(prop::kLease)] = {to_text(note), Source::local};
        EXPECT_EQ(closed_note_of(dataset), note);
    }
    const auto pair = pair_of(dataset);
    const PropertyList work =
        properties_for(dataset, pair, {.master = true, .writable = true, .epoch = 1}, {});
    EXPECT_NE(
        std::find(work.begin(), work.end(), std::pair(std::string(prop::kLease), std::string())),
        work.end());
    for (const auto& [key, value] : properties_for(dataset, pair, {.master = true, .epoch = 1}, {}))
        EXPECT_NE(key, prop::kLease) << "readonly and at rest, it is all that says why";
    dataset.props[std::string(prop::kMaster)] = {"no", Source::local};
    EXPECT_FALSE(closed_note_of(dataset)) << "there it is what its master counts on";
}

}  // namespace
}  // namespace zrepd::failover
