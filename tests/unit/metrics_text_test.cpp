// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace zrepd::metrics {
namespace {

std::string label_line(std::string_view value) {
    TextWriter out(Format::prometheus);
    out.begin({"zrepd_x", Kind::gauge, "", "name", "x"});
    out.sample({{"name", value}}, std::uint64_t{1});
    const std::string text = std::move(out).finish();
    return text.substr(text.rfind("zrepd_x"));
}

TEST(MetricsText, NamesCountersAndInfosAsEachFormatWantsThem) {
    const auto write = [](Format format) {
        TextWriter out(format);
        out.begin({"zrepd_sent_bytes", Kind::counter, "bytes", "", "Moved"});
        out.sample({}, std::uint64_t{7});
        out.begin({"zrepd_build", Kind::info, "", "version", "What runs here"});
        out.sample({{"version", "1"}}, std::uint64_t{1});
        return std::move(out).finish();
    };
    EXPECT_EQ(write(Format::open_metrics),
              "# HELP zrepd_sent_bytes Moved\n"
              "# TYPE zrepd_sent_bytes counter\n"
              "# UNIT zrepd_sent_bytes bytes\n"
              "zrepd_sent_bytes_total 7\n"
              "# HELP zrepd_build What runs here\n"
              "# TYPE zrepd_build info\n"
              "zrepd_build_info{version=\"1\"} 1\n"
              "# EOF\n");
    EXPECT_EQ(write(Format::prometheus),
              "# HELP zrepd_sent_bytes_total Moved\n"
              "# TYPE zrepd_sent_bytes_total counter\n"
              "zrepd_sent_bytes_total 7\n"
              "# HELP zrepd_build_info What runs here\n"
              "# TYPE zrepd_build_info gauge\n"
              "zrepd_build_info{version=\"1\"} 1\n");
}

TEST(MetricsText, EscapesWhatALabelMayHold) {
    const std::pair<std::string_view, std::string_view> table[] = {{"tank/a b", "tank/a b"},
                                                                   {"a\"b", "a\\\"b"},
                                                                   {"a\\b", "a\\\\b"},
                                                                   {"a\nb", "a\\nb"},
                                                                   {"a}b,c=\"d", "a}b,c=\\\"d"},
                                                                   {"\xC3\xA4", "\xC3\xA4"},
                                                                   {"a\xFFz", "a\xEF\xBF\xBDz"},
                                                                   {"", ""}};
    for (const auto& [value, escaped] : table) {
        EXPECT_EQ(label_line(value), "zrepd_x{name=\"" + std::string(escaped) + "\"} 1\n");
    }
}

TEST(MetricsText, EscapesQuotesInHelpWhereTheFormatHasThem) {
    const auto help = [](Format format) {
        TextWriter out(format);
        out.begin({"zrepd_x", Kind::gauge, "", "", "a \"b\" \\ c"});
        const std::string text = std::move(out).finish();
        return text.substr(0, text.find('\n'));
    };
    EXPECT_EQ(help(Format::open_metrics), R"(# HELP zrepd_x a \"b\" \\ c)");
    EXPECT_EQ(help(Format::prometheus), R"(# HELP zrepd_x a "b" \\ c)");
}

TEST(MetricsText, WritesNumbersWhole) {
    TextWriter out(Format::prometheus);
    out.begin({"n", Kind::gauge, "", "", "n"});
    out.sample({}, std::numeric_limits<std::uint64_t>::max());
    out.sample({}, std::int64_t{-5});
    out.sample({}, 0.1);
    out.sample({}, 1e300);
    out.sample({}, std::numeric_limits<double>::infinity());
    out.sample({}, std::nan(""));
    EXPECT_EQ(std::move(out).finish(),
              "# HELP n n\n# TYPE n gauge\n"
              "n 18446744073709551615\nn -5\nn 0.1\nn 1e+300\nn +Inf\nn NaN\n");
}

TEST(MetricsText, WritesTheLimitsOfBucketsAsFloats) {
    EXPECT_EQ(limit_text(1), "1.0");
    EXPECT_EQ(limit_text(0.5), "0.5");
    EXPECT_EQ(limit_text(43200), "43200.0");
    EXPECT_EQ(limit_text(std::numeric_limits<double>::infinity()), "+Inf");
}

}  // namespace
}  // namespace zrepd::metrics
