// SPDX-License-Identifier: BSD-2-Clause
// What monitoring is told, word by word, and that the documentation lists it.
#include "daemon/metrics/families.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>

namespace zrepd::metrics {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;

rpc::PairStatus master() {
    rpc::PairStatus out;
    out.dataset = "tank/fs";
    out.role = "master";
    out.epoch = 3;
    out.peer = "beta";
    out.peer_dataset = "backup/fs";
    out.peer_state = "connected";
    out.lag_seconds = 40;
    out.backlog_bytes = 4096;
    out.interval = "1m";
    out.pending_snapshots = 1;
    out.health = "ok";
    return out;
}

rpc::PairStatus target_in_trouble() {
    rpc::PairStatus out;
    out.dataset = "tank/a \"b\"";
    out.role = "target";
    out.epoch = 1;
    out.peer = "gamma";
    out.peer_dataset = "pool/b";
    out.peer_state = "unreachable";
    out.paused = true;
    out.fenced = true;
    out.fence = "lease";
    out.rescues = {"tank/a_diverged_1"};
    out.members = 4;
    out.left_behind = {{"tank/old", "destroy it"}};
    out.last_error = rpc::Trouble{"conflict", "no", "do", to_rfc3339(kNow - 60)};
    out.warning = rpc::Trouble{"writable", "so", "do", to_rfc3339(kNow - 60)};
    out.health = "conflict";
    return out;
}

class MetricsFamilies : public ::testing::Test {
  protected:
    std::string text(Format format = Format::prometheus) const {
        return render({.status = status,
                       .version = version,
                       .counters = counters,
                       .now = kNow,
                       .started = kNow - 1000,
                       .active_runs = 2,
                       .moving = moving,
                       .processes = {{"zfs", 3}},
                       .processes_started = 17},
                      format);
    }
    /// Its samples, without what describes it.
    std::string samples(const std::string& family) const {
        const std::string all = text();
        std::string out;
        for (std::size_t at = 0, end = 0; at < all.size(); at = end + 1) {
            end = all.find('\n', at);
            const std::string line = all.substr(at, end - at);
            const std::size_t name = line.find_first_of("{ ");
            if (line.substr(0, name) == family) out += line.substr(name) + "\n";
        }
        return out;
    }

    rpc::StatusOut status;
    rpc::VersionOut version{"0.1.0", "1.0", "2.3.2", "alpha"};
    Counters counters;
    std::map<std::string, Moving, std::less<>> moving;
};

TEST_F(MetricsFamilies, TellOfTheHost) {
    EXPECT_EQ(samples("zrepd_build_info"),
              "{version=\"0.1.0\",protocol=\"1.0\",zfs=\"2.3.2\",host=\"alpha\"} 1\n");
    EXPECT_EQ(samples("zrepd_start_time_seconds"), " 1699999000\n");
    EXPECT_EQ(samples("zrepd_pairs"), " 0\n");
    EXPECT_EQ(samples("zrepd_pairs_unknown"), " 0\n");
    EXPECT_EQ(samples("zrepd_active_runs"), " 2\n");
    EXPECT_EQ(samples("zrepd_processes"), "{program=\"zfs\"} 3\n");
    EXPECT_EQ(samples("zrepd_processes_started_total"), " 17\n");
    EXPECT_EQ(samples("zrepd_processes_stuck"), " 0\n");
    status.problem = rpc::Trouble{"busy", "not yet", "", ""};
    status.abandoned.resize(2);
    EXPECT_EQ(samples("zrepd_pairs_unknown"), " 1\n");
    EXPECT_EQ(samples("zrepd_processes_stuck"), " 2\n");
}

TEST_F(MetricsFamilies, TellOfAMaster) {
    status.pairs = {master()};
    EXPECT_EQ(samples("zrepd_pair_info"),
              "{dataset=\"tank/fs\",role=\"master\",peer=\"beta\",peer_dataset=\"backup/fs\","
              "fence=\"off\"} 1\n");
    EXPECT_EQ(samples("zrepd_pair_health"),
              "{dataset=\"tank/fs\",health=\"ok\"} 1\n"
              "{dataset=\"tank/fs\",health=\"late\"} 0\n"
              "{dataset=\"tank/fs\",health=\"failing\"} 0\n"
              "{dataset=\"tank/fs\",health=\"conflict\"} 0\n"
              "{dataset=\"tank/fs\",health=\"split_brain\"} 0\n");
    const std::string label = "{dataset=\"tank/fs\"} ";
    const std::pair<const char*, const char*> table[] = {
        {"zrepd_pair_epoch", "3"},
        {"zrepd_pair_lag_seconds", "40"},
        {"zrepd_pair_last_sync_timestamp_seconds", "1699999960"},
        {"zrepd_pair_interval_seconds", "60"},
        {"zrepd_pair_backlog_bytes", "4096"},
        {"zrepd_pair_pending_snapshots", "1"},
        {"zrepd_pair_paused", "0"},
        {"zrepd_pair_running", "0"},
        {"zrepd_pair_fenced", "0"},
        {"zrepd_pair_rescues", "0"}};
    for (const auto& [family, value] : table) EXPECT_EQ(samples(family), label + value + "\n");
    EXPECT_EQ(samples("zrepd_pair_error_timestamp_seconds"), "");
    EXPECT_EQ(samples("zrepd_pair_warning_timestamp_seconds"), "");
    EXPECT_EQ(samples("zrepd_pair_members"), "");
    EXPECT_EQ(samples("zrepd_pair_left_behind"), "");
}

TEST_F(MetricsFamilies, TellOfATargetInTrouble) {
    status.pairs = {target_in_trouble()};
    const std::string label = R"({dataset="tank/a \"b\""} )";
    EXPECT_EQ(samples("zrepd_pair_error_timestamp_seconds"),
              "{dataset=\"tank/a \\\"b\\\"\",kind=\"conflict\"} 1699999940\n");
    EXPECT_EQ(samples("zrepd_pair_warning_timestamp_seconds"),
              "{dataset=\"tank/a \\\"b\\\"\",kind=\"writable\"} 1699999940\n");
    for (const char* absent : {"zrepd_pair_lag_seconds",
                               "zrepd_pair_last_sync_timestamp_seconds",
                               "zrepd_pair_interval_seconds",
                               "zrepd_pair_backlog_bytes"}) {
        EXPECT_EQ(samples(absent), "");
    }
    EXPECT_EQ(samples("zrepd_pair_members"), label + "4\n");
    EXPECT_EQ(samples("zrepd_pair_left_behind"), label + "1\n");
    EXPECT_EQ(samples("zrepd_pair_rescues"), label + "1\n");
    EXPECT_EQ(samples("zrepd_pair_paused"), label + "1\n");
    EXPECT_EQ(samples("zrepd_pair_fenced"), label + "1\n");
}

TEST_F(MetricsFamilies, TellOfEachPeerOnce) {
    status.pairs = {master(), target_in_trouble(), master()};
    EXPECT_EQ(samples("zrepd_peer_state"),
              "{peer=\"beta\",state=\"connected\"} 1\n"
              "{peer=\"beta\",state=\"unreachable\"} 0\n"
              "{peer=\"beta\",state=\"unknown\"} 0\n"
              "{peer=\"gamma\",state=\"connected\"} 0\n"
              "{peer=\"gamma\",state=\"unreachable\"} 1\n"
              "{peer=\"gamma\",state=\"unknown\"} 0\n");
}

TEST_F(MetricsFamilies, CountFromZeroWhatAPairAlwaysDoes) {
    status.pairs = {master(), target_in_trouble()};
    const std::string sync = "{dataset=\"tank/fs\",operation=\"sync\",outcome=";
    const std::string receive = "{dataset=\"tank/a \\\"b\\\"\",operation=\"receive\",outcome=";
    std::string expected;
    for (const std::string& begin : {sync, receive}) {
        for (const char* outcome : {"done", "unchanged", "failed"}) {
            expected += begin + "\"" + outcome + "\"} 0\n";
        }
    }
    EXPECT_EQ(samples("zrepd_pair_runs_total"), expected);
    EXPECT_EQ(samples("zrepd_run_seconds_count"), "") << "nothing has run";
}

TEST_F(MetricsFamilies, CountRunsTimesAndBytes) {
    status.pairs = {master()};
    counters.note({"tank/fs", "sync", "done", 1000, 2.5});
    counters.note({"tank/fs", "sync", "failed", 10, 1});
    counters.note({"tank/gone", "expire", "done", 0, 50});
    moving["tank/fs"] = {"sync", 5};
    const std::string labels = "{dataset=\"tank/fs\",operation=\"sync\"";
    EXPECT_EQ(samples("zrepd_pair_runs_total"),
              labels + ",outcome=\"done\"} 1\n" + labels + ",outcome=\"unchanged\"} 0\n" + labels +
                  ",outcome=\"failed\"} 1\n");
    EXPECT_EQ(samples("zrepd_pair_run_seconds_count"), labels + "} 2\n");
    EXPECT_EQ(samples("zrepd_pair_run_seconds_sum"), labels + "} 3.5\n");
    EXPECT_EQ(samples("zrepd_pair_stream_bytes_total"),
              "{dataset=\"tank/fs\",direction=\"sent\"} 1015\n"
              "{dataset=\"tank/fs\",direction=\"received\"} 0\n");
    EXPECT_EQ(samples("zrepd_run_seconds_count"),
              "{operation=\"expire\"} 1\n{operation=\"sync\"} 2\n");
    const std::string buckets = samples("zrepd_run_seconds_bucket");
    EXPECT_EQ(std::count(buckets.begin(), buckets.end(), '\n'), 24);
    EXPECT_NE(buckets.find("{operation=\"sync\",le=\"1.0\"} 1\n"), buckets.npos) << buckets;
    EXPECT_NE(buckets.find("{operation=\"sync\",le=\"+Inf\"} 2\n"), buckets.npos) << buckets;
}

/// OpenMetrics 1.0: a unit is the name's end; of a counter the samples have _total; the last line.
TEST_F(MetricsFamilies, FollowTheRulesOfTheFormat) {
    std::set<std::string> names;
    for (const Family& family : families()) {
        const std::string name(family.name);
        EXPECT_TRUE(names.insert(name).second) << name;
        // Else it would clash with node_exporter's own, which fails then as a whole.
        EXPECT_TRUE(name.starts_with("zrepd_")) << name;
        EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), name.npos) << name;
        EXPECT_FALSE(name.ends_with("_total") || name.ends_with("_info")) << name;
        for (const std::string unit : {"seconds", "bytes"}) {
            EXPECT_EQ(name.ends_with("_" + unit), family.unit == unit) << name;
        }
        EXPECT_FALSE(family.help.empty()) << name;
        EXPECT_EQ(family.help.find_first_of("|\n"), family.help.npos) << name;
    }
    status.pairs = {master(), target_in_trouble()};
    const std::string open = text(Format::open_metrics);
    EXPECT_TRUE(open.ends_with("\n# EOF\n"));
    EXPECT_EQ(open.find("# EOF"), open.size() - 6);
}

/// Every label that is documented is written, and no other.
TEST_F(MetricsFamilies, HaveTheLabelsThatAreDocumented) {
    status.pairs = {master(), target_in_trouble()};
    counters.note({"tank/fs", "sync", "done", 1, 1});
    for (const Family& family : families()) {
        std::string name = sample_name(family);
        if (family.kind == Kind::summary || family.kind == Kind::histogram) name += "_count";
        const std::string found = samples(name);
        ASSERT_FALSE(found.empty()) << name;
        std::string labels;
        const std::string first = found.substr(0, found.find("} "));
        for (std::size_t at = 0; (at = first.find("=\"", at)) != first.npos; ++at) {
            const std::size_t begin = first.find_last_of("{,", at) + 1;
            labels += (labels.empty() ? "" : ", ") + first.substr(begin, at - begin);
        }
        EXPECT_EQ(labels, family.labels) << name;
    }
}

TEST(MetricsDocs, ListEveryMetric) {
    const std::string path = std::string(ZREPD_SOURCE_DIR) + "/docs/monitoring/metrics.md";
    if (std::getenv("ZREPD_UPDATE_DOCS") != nullptr) {
        std::ofstream out(path, std::ios::trunc);
        out << metrics_markdown();
        ASSERT_TRUE(out.flush().good()) << path;
        return;
    }
    std::ifstream in(path);
    const std::string committed{std::istreambuf_iterator<char>(in), {}};
    EXPECT_TRUE(committed == metrics_markdown())
        << "the metrics changed: run ZREPD_UPDATE_DOCS=1 zrepd_unit_tests "
           "--gtest_filter='MetricsDocs.*' and commit the file";
}

}  // namespace
}  // namespace zrepd::metrics
