// SPDX-License-Identifier: BSD-2-Clause
// Units, times, text and the error table.
#include <gtest/gtest.h>

#include <set>

#include "common/error.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"

namespace zrepd {
namespace {

using std::chrono::seconds;

TEST(Duration, ReadsOneNumberAndOneUnit) {
    const std::pair<const char*, int> table[] = {{"0", 0},
                                                 {"45", 45},
                                                 {"10s", 10},
                                                 {"1m", 60},
                                                 {"2h", 7200},
                                                 {"1d", 86400},
                                                 {"1w", 604800},
                                                 {"0s", 0}};
    for (const auto& [text, value] : table) {
        const auto parsed = parse_duration(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(*parsed, seconds(value)) << text;
    }
}

TEST(Duration, RefusesEverythingElseAndShowsAnExample) {
    for (const char* text : {"",
                             "s",
                             "-1s",
                             "1.5h",
                             "1h30m",
                             "1 m",
                             "1y",
                             "1M",
                             "99999999999999999999",
                             "999999999d",
                             "0x10",
                             "+5"}) {
        const auto parsed = parse_duration(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::invalid_params);
        EXPECT_NE(parsed.error().remedy.find("10m"), std::string::npos);
    }
}

TEST(Duration, IsWrittenSoThatItReadsBack) {
    const std::pair<int, const char*> table[] = {
        {0, "0s"}, {90, "90s"}, {3600, "1h"}, {86400, "1d"}, {604800, "1w"}, {61, "61s"}};
    for (const auto& [value, text] : table) {
        EXPECT_EQ(format_duration(seconds(value)), text);
        EXPECT_EQ(*parse_duration(text), seconds(value));
    }
}

TEST(Duration, IsShortForPeople) {
    const std::pair<int, const char*> table[] = {{0, "0 s"},
                                                 {45, "45 s"},
                                                 {720, "12 min"},
                                                 {750, "12 min 30 s"},
                                                 {12000, "3 h 20 min"},
                                                 {439200, "5 d 2 h"},
                                                 {-5, "-5 s"},
                                                 {86400, "1 d"}};
    for (const auto& [value, text] : table) EXPECT_EQ(human_duration(seconds(value)), text);
}

TEST(Bytes, ReadsPowersOf1024) {
    const std::pair<const char*, std::uint64_t> table[] = {
        {"0", 0},
        {"500", 500},
        {"500B", 500},
        {"64K", 65536},
        {"64k", 65536},
        {"64KiB", 65536},
        {"64KB", 65536},
        {"1.5G", 1610612736},
        {"10 M", 10485760},
        {"2T", 2199023255552},
        {"18446744073709551615", 18446744073709551615ULL}};
    for (const auto& [text, value] : table) {
        const auto parsed = parse_bytes(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(*parsed, value) << text;
    }
}

TEST(Bytes, RefusesWhatIsNoSize) {
    for (const char* text : {"",
                             "B",
                             "K",
                             "iB",
                             "-1",
                             "-1G",
                             "1Q",
                             "1GG",
                             "inf",
                             "nan",
                             "99999999E",
                             "1 2",
                             "G1",
                             "0x10",
                             "18446744073709551616"}) {
        EXPECT_FALSE(parse_bytes(text)) << text;
    }
}

TEST(Bytes, AreShortForPeople) {
    const std::pair<std::uint64_t, const char*> table[] = {{0, "0 B"},
                                                           {1023, "1023 B"},
                                                           {1024, "1.0 KiB"},
                                                           {1610612736, "1.5 GiB"},
                                                           {1048575, "1.0 MiB"},
                                                           {18446744073709551615ULL, "16.0 EiB"}};
    for (const auto& [value, text] : table) EXPECT_EQ(human_bytes(value), text);
}

TEST(Time, IsRfc3339InBothDirections) {
    const std::pair<UnixSeconds, const char*> table[] = {{0, "1970-01-01T00:00:00Z"},
                                                         {1700000000, "2023-11-14T22:13:20Z"},
                                                         {951782400, "2000-02-29T00:00:00Z"},
                                                         {4102444799, "2099-12-31T23:59:59Z"},
                                                         {-1, "1969-12-31T23:59:59Z"}};
    for (const auto& [value, text] : table) {
        EXPECT_EQ(to_rfc3339(value), text);
        EXPECT_EQ(from_rfc3339(text), value);
    }
}

TEST(Time, RefusesWhatIsNoTime) {
    for (const char* text : {"",
                             "2023-11-14",
                             "2023-11-14T22:13:20",
                             "2023-11-14T22:13:20+01:00",
                             "2023-11-14 22:13:20Z",
                             "2023-13-01T00:00:00Z",
                             "2023-02-29T00:00:00Z",
                             "2023-01-01T24:00:00Z",
                             "2023-01-01T00:60:00Z",
                             "2023-01-01T00:00:60Z",
                             "2023-01-01T00:00:00z",
                             "2023-11-14T22:13:20.5Z",
                             " 023-01-01T00:00:00Z"}) {
        EXPECT_FALSE(from_rfc3339(text)) << text;
    }
}

TEST(Quote, MakesAnythingFitForALine) {
    EXPECT_EQ(quote("tank/a b"), "'tank/a b'");
    EXPECT_EQ(quote("a\nb\t\x7f"), "'a\\x0ab\\x09\\x7f'");
    EXPECT_EQ(quote("it's \\"), "'it\\x27s \\x5c'");
    EXPECT_EQ(quote("gr\xc3\xb6\xc3\x9f"
                    "er"),
              "'gr\xc3\xb6\xc3\x9f"
              "er'");
    EXPECT_EQ(quote("a\xff\xc3"), "'a\\xff\\xc3'");
    EXPECT_EQ(quote(std::string_view("a\0b", 3)), "'a\\x00b'");
    const std::string long_one = quote(std::string(10000, 'x'));
    EXPECT_LT(long_one.size(), 320u);
    EXPECT_TRUE(long_one.ends_with("…'"));
    EXPECT_TRUE(is_utf8(quote(std::string(299, 'x') + "\xc3\xb6")));
}

TEST(Quote, EscapesWhatSteersATerminalOrReordersALine) {
    // U+0085 (next line), U+009B (CSI), U+202E (right-to-left override), U+2066, U+200F.
    EXPECT_EQ(quote("a\xc2\x85"
                    "b\xc2\x9b"
                    "31m"),
              "'a\\xc2\\x85b\\xc2\\x9b31m'");
    EXPECT_EQ(quote("\xe2\x80\xae"), "'\\xe2\\x80\\xae'");
    EXPECT_EQ(quote("\xe2\x81\xa6"), "'\\xe2\\x81\\xa6'");
    EXPECT_EQ(quote("\xe2\x80\x8f"), "'\\xe2\\x80\\x8f'");
    // Neighbours that do not: U+00A0, U+00F6, U+2010, U+2026, U+20AC.
    for (const char* text :
         {"\xc2\xa0", "\xc3\xb6", "\xe2\x80\x90", "\xe2\x80\xa6", "\xe2\x82\xac"}) {
        EXPECT_EQ(quote(text), std::string("'") + text + "'");
    }
}

TEST(Cut, EndsBetweenCharactersAndSaysThatThereIsMore) {
    EXPECT_EQ(cut("short", 5), "short");
    EXPECT_EQ(cut("longer", 4), "long…");
    EXPECT_EQ(cut("aé", 2), "a…") << "its second byte would be left";
    EXPECT_EQ(cut("aéz", 3), "aé…");
    EXPECT_EQ(cut("\x80\x80", 1), "…");
    EXPECT_EQ(cut("", 0), "");
}

TEST(Utf8, KnowsGoodFromBad) {
    for (const char* text : {"",
                             "a",
                             "\xc3\xb6",
                             "\xe2\x82\xac",
                             "\xf0\x9f\x98\x80",
                             "\xed\x9f\xbf",
                             "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(text));
    }
    for (const char* text : {"\x80",
                             "\xc3",
                             "\xc0\xaf",
                             "\xc1\xbf",
                             "\xe0\x80\x80",
                             "\xed\xa0\x80",
                             "\xf0\x80\x80\x80",
                             "\xf4\x90\x80\x80",
                             "\xf8\x88\x80\x80\x80",
                             "a\xe2\x82"}) {
        EXPECT_FALSE(is_utf8(text));
    }
}

TEST(Numbers, AreTheWholeText) {
    EXPECT_EQ(parse_u64("0"), 0u);
    EXPECT_EQ(parse_i64("-9223372036854775808"), INT64_MIN);
    for (const char* text : {"", " 1", "1 ", "+1", "1e3", "0x1", "18446744073709551616", "-1"}) {
        EXPECT_FALSE(parse_u64(text)) << text;
    }
    EXPECT_FALSE(parse_i64("9223372036854775808"));
}

TEST(Lists, SplitAndJoinAreInverse) {
    for (const char* text : {"", "a", "a,b", ",", ",a", "a,,b", "a,"}) {
        std::vector<std::string> parts;
        for (const auto part : split(text, ',')) parts.emplace_back(part);
        EXPECT_EQ(join(parts, ","), text);
    }
    EXPECT_EQ(split("a,,b", ',').size(), 3u);
    EXPECT_EQ(trim(" \t a b\r\n"), "a b");
    EXPECT_EQ(trim(" \n"), "");
}

TEST(ErrorTable, HasDistinctNamesAndNumbers) {
    std::set<std::string_view> names;
    std::set<int> numbers;
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        const CodeInfo& row = info(static_cast<Code>(i));
        EXPECT_EQ(static_cast<int>(row.code), i);
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_TRUE(numbers.insert(row.rpc).second) << row.rpc;
        EXPECT_GE(row.exit_status, 1) << row.name;
        EXPECT_LE(row.exit_status, 5) << row.name;
        EXPECT_EQ(code_from_name(row.name), row.code);
    }
    EXPECT_FALSE(code_from_name("from_the_future"));
}

TEST(ErrorText, BeginsWithTheOutermostPlace) {
    Error error{.code = Code::zfs_failed, .message = "no such pool"};
    const Error placed = std::move(std::move(error).in("receive tank/a@x")).in("sync tank/a");
    EXPECT_EQ(placed.text(), "sync tank/a: receive tank/a@x: no such pool");
}

}  // namespace
}  // namespace zrepd
