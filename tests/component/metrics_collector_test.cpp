// SPDX-License-Identifier: BSD-2-Clause
// What monitoring is told of real runs, on pools in memory.
#include "daemon/metrics/collector.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "daemon/metrics/exporter.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd::metrics {
namespace {

using namespace std::chrono_literals;

class MetricsCollectorTest : public test::TwoHosts {
  protected:
    std::string text(Format format = Format::prometheus) { return *collector.text(format); }
    /// Of a sample whose name and labels are these; empty when there is none.
    static std::string value(const std::string& text, const std::string& sample) {
        const auto at = text.find("\n" + sample + " ");
        if (at == text.npos) return "";
        const auto begin = at + sample.size() + 2;
        return text.substr(begin, text.find('\n', begin) - begin);
    }

    /// What a program says of the figures of a pair; nullopt when it ends with 77, as it is not
    /// installed. A shell, because promtool reads its standard input; the file's name is $0.
    std::optional<std::string> judge(Format format, const std::string& script) {
        EXPECT_EQ(init().outcome, "done");
        EXPECT_EQ(sync().outcome, "unchanged");
        const std::string file = directory / "figures";
        std::ofstream(file) << text(format);
        auto checked = test::run_task(io, alpha->processes.run({"sh", "-c", script, file}, 60s));
        if (!checked) return checked.error().text();
        if (checked->status.code == 77) return std::nullopt;
        EXPECT_EQ(checked->status.code, 0);
        return checked->out + checked->err;
    }

    test::ServedHost served{*alpha};
    /// Made anew for everybody who asks.
    Collector collector{served.service, alpha->runs, alpha->processes, 0ms};
};

TEST_F(MetricsCollectorTest, CountsWhatRunsDid) {
    const rpc::RunResult first = init();
    ASSERT_EQ(first.outcome, "done") << first.text;
    alpha->zfs.write("tank/fs", 5000);
    const rpc::RunResult second = sync();
    ASSERT_EQ(second.outcome, "done") << second.text;
    ASSERT_EQ(sync().outcome, "unchanged");
    const std::string seen = text();
    const auto runs = [&](const std::string& operation, const std::string& outcome) {
        return value(seen,
                     "zrepd_pair_runs_total{dataset=\"tank/fs\",operation=\"" + operation +
                         "\",outcome=\"" + outcome + "\"}");
    };
    EXPECT_EQ(runs("init", "done"), "1");
    EXPECT_EQ(runs("sync", "done"), "1");
    EXPECT_EQ(runs("sync", "unchanged"), "1");
    EXPECT_EQ(runs("sync", "failed"), "0");
    EXPECT_GT(first.bytes + second.bytes, 0U);
    EXPECT_EQ(value(seen, "zrepd_pair_stream_bytes_total{dataset=\"tank/fs\",direction=\"sent\"}"),
              std::to_string(first.bytes + second.bytes));
    EXPECT_EQ(value(seen, "zrepd_run_seconds_count{operation=\"sync\"}"), "2");
    EXPECT_EQ(value(seen, "zrepd_pair_health{dataset=\"tank/fs\",health=\"ok\"}"), "1");
    EXPECT_EQ(value(seen, "zrepd_pairs"), "1");
    EXPECT_EQ(value(seen, "zrepd_pairs_unknown"), "0");
    EXPECT_EQ(value(seen, "zrepd_peer_state{peer=\"beta\",state=\"connected\"}"), "1");
}

TEST_F(MetricsCollectorTest, CountsAFailureAndItsKind) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5000);
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    ASSERT_EQ(sync().outcome, "failed");
    const std::string seen = text();
    EXPECT_EQ(
        value(seen,
              "zrepd_pair_runs_total{dataset=\"tank/fs\",operation=\"sync\",outcome=\"failed\"}"),
        "1");
    EXPECT_NE(value(seen,
                    "zrepd_pair_error_timestamp_seconds{dataset=\"tank/fs\",kind=\"pool_"
                    "unavailable\"}"),
              "");
    EXPECT_EQ(value(seen, "zrepd_pair_health{dataset=\"tank/fs\",health=\"failing\"}"), "1");
}

TEST_F(MetricsCollectorTest, CountsOnTheTargetsSideToo) {
    test::ServedHost other(*beta);
    Collector there(other.service, beta->runs, beta->processes);
    ASSERT_EQ(init().outcome, "done");
    const Result<void> looked = test::run_task(io, beta->inventory.discover());
    ASSERT_TRUE(looked);
    const std::string seen = *there.text(Format::prometheus);
    const std::string dataset = "{dataset=\"backup/fs\",";
    EXPECT_EQ(
        value(seen, "zrepd_pair_runs_total" + dataset + "operation=\"receive\",outcome=\"done\"}"),
        "1");
    const std::string bytes =
        value(seen, "zrepd_pair_stream_bytes_total" + dataset + "direction=\"received\"}");
    EXPECT_GT(std::stoull("0" + bytes), 0U);
}

TEST_F(MetricsCollectorTest, AsksZfsNothing) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.forget_calls();
    EXPECT_NE(text(Format::open_metrics), "");
    EXPECT_NE(text(Format::prometheus), "");
    EXPECT_TRUE(alpha->zfs.calls().empty());
}

TEST_F(MetricsCollectorTest, MakesTheTextOnceForAllWhoAskWithinASecond) {
    Collector kept(served.service, alpha->runs, alpha->processes, 1h);
    const auto first = kept.text(Format::open_metrics);
    EXPECT_EQ(kept.text(Format::open_metrics), first) << "the same text, not one like it";
    EXPECT_NE(kept.text(Format::prometheus), first);
    EXPECT_NE(collector.text(Format::open_metrics), collector.text(Format::open_metrics));
}

TEST_F(MetricsCollectorTest, ForgetsAPairThatIsGone) {
    ASSERT_EQ(init().outcome, "done");
    EXPECT_NE(text().find("dataset=\"tank/fs\""), std::string::npos);
    rpc::ClearIn in;
    in.dataset = "tank/fs";
    const auto cleared = test::run_task(io, served.service.clear(std::move(in), control::Caller{}));
    ASSERT_TRUE(cleared) << cleared.error().text();
    const Result<void> looked = test::run_task(io, alpha->inventory.discover());
    ASSERT_TRUE(looked);
    const std::string seen = text();
    EXPECT_EQ(seen.find("dataset=\"tank/fs\""), std::string::npos) << seen;
    EXPECT_EQ(value(seen, "zrepd_run_seconds_count{operation=\"init\"}"), "1");
}

/// Debian's package prometheus has it; it reads the format that node_exporter reads.
TEST_F(MetricsCollectorTest, PromtoolFindsNothingToSay) {
    const auto said = judge(Format::prometheus,
                            "command -v promtool >/dev/null || exit 77; "
                            "exec promtool check metrics <\"$0\"");
    if (!said) GTEST_SKIP() << "no promtool";
    EXPECT_EQ(*said, "");
}

/// That of Prometheus' own client library, which is strict (Debian: python3-prometheus-client).
TEST_F(MetricsCollectorTest, AParserOfOpenMetricsTakesIt) {
    const auto said = judge(Format::open_metrics,
                            "/usr/bin/python3 -c 'import prometheus_client' || exit 77; "
                            "exec /usr/bin/python3 -c '\n"
                            "import sys\n"
                            "from prometheus_client.openmetrics import parser\n"
                            "text = open(sys.argv[1]).read()\n"
                            "print(len(list(parser.text_string_to_metric_families(text))))\n"
                            "' \"$0\"");
    if (!said) GTEST_SKIP() << "no python3-prometheus-client";
    EXPECT_EQ(*said, std::to_string(families().size()) + "\n");
}

TEST_F(MetricsCollectorTest, NothingIsServedOrWrittenWithoutASetting) {
    Exporter exporter(
        io.get_executor(), alpha->config, served.service, alpha->runs, alpha->processes);
    exporter.start();
    test::run_ready(io);
    test::run_task(io, exporter.stop());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(alpha->config.runtime_dir), {}), 0);
}

}  // namespace
}  // namespace zrepd::metrics
