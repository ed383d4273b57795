// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/events.hpp"

#include <gtest/gtest.h>

namespace zrepd::ctl {
namespace {

rpc::EventOut event(const std::string& name, const std::string& dataset, const std::string& text) {
    rpc::EventOut out;
    out.event = name;
    out.time = "2026-01-02T03:04:05Z";
    out.dataset = dataset;
    out.text = text;
    return out;
}

rpc::RunResult result(const std::string& dataset, const std::string& outcome) {
    rpc::RunResult out;
    out.dataset = dataset;
    out.outcome = outcome;
    if (outcome == "failed")
        out.error = rpc::ItemError{.kind = "no_space", .message = "full", .remedy = ""};
    return out;
}

rpc::EventOut run_event(bool finished, std::vector<rpc::RunResult> results) {
    rpc::EventOut out = event(finished ? "run_finished" : "run_started", "", "");
    out.run = rpc::RunOut{
        .run_id = "1", .operation = "sync", .finished = finished, .results = std::move(results)};
    return out;
}

TEST(EventLine, SaysWhatHappenedToWhat) {
    const std::pair<rpc::EventOut, std::string> table[] = {
        {event("role_changed", "tank/fs", "master of epoch 3"),
         "role_changed        tank/fs: master of epoch 3"},
        {event("peer_up", "", "beta"), "peer_up             beta"},
        {event("warning", "tank/\x1b", "x"), "warning             tank/?: x"},
        {run_event(false, {result("tank/a", "running")}), "run_started         sync of tank/a"},
        {run_event(true, {result("tank/a", "unchanged")}),
         "run_finished        sync of tank/a: unchanged"},
        {run_event(true, {result("tank/a", "failed")}),
         "run_finished        sync of tank/a failed: full"},
        {run_event(true, {result("tank/a", "done"), result("tank/b", "failed")}),
         "run_finished        sync of 2: 1 done, 1 failed (tank/b: full)"}};
    for (const auto& [given, line] : table)
        EXPECT_EQ(event_line(given), "2026-01-02T03:04:05Z  " + line);
}

TEST(EventLine, ConcernsADatasetAndWhatIsBelowIt) {
    const auto below = event("warning", "tank/a/b", "");
    EXPECT_TRUE(concerns(below, {}));
    EXPECT_TRUE(concerns(below, {"tank/a"}));
    EXPECT_FALSE(concerns(below, {"tank/a/bc", "tank/ab"}));
    EXPECT_FALSE(concerns(event("peer_up", "", "beta"), {"tank"}));
    EXPECT_TRUE(concerns(run_event(true, {result("tank/a", "done")}), {"tank"}));
}

}  // namespace
}  // namespace zrepd::ctl
