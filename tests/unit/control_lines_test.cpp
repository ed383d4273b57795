// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/lines.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace zrepd::control {
namespace {

std::vector<std::string> take_all(LineBuffer& lines) {
    std::vector<std::string> out;
    while (auto line = lines.take()) out.push_back(*line);
    return out;
}

TEST(LineBuffer, GivesLinesHoweverTheBytesArrive) {
    const std::string text = "one\n\ntwo three\nrest";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        LineBuffer lines(100);
        std::vector<std::string> got;
        for (std::size_t at = 0; at < text.size(); at += step) {
            lines.append(std::string_view(text).substr(at, step));
            for (auto& line : take_all(lines)) got.push_back(line);
        }
        EXPECT_EQ(got, (std::vector<std::string>{"one", "", "two three"})) << step;
        EXPECT_TRUE(lines.begun());
    }
}

TEST(LineBuffer, TakesALineOfExactlyTheLimit) {
    LineBuffer lines(4);
    lines.append("1234\n");
    EXPECT_EQ(lines.take(), "1234");
    EXPECT_FALSE(lines.too_long());
    EXPECT_FALSE(lines.begun());
}

TEST(LineBuffer, RefusesALongerLineWithOrWithoutItsEnd) {
    for (const char* text : {"12345", "12345\n", "ok\n12345\nok\n"}) {
        LineBuffer lines(4);
        lines.append(text);
        take_all(lines);
        EXPECT_TRUE(lines.too_long()) << text;
        EXPECT_FALSE(lines.take());
    }
}

TEST(Outbox, KeepsTheOrder) {
    Outbox out;
    EXPECT_TRUE(out.push("a"));
    EXPECT_TRUE(out.push("bb"));
    EXPECT_EQ(out.bytes(), 3U);
    EXPECT_EQ(out.take(), "a");
    EXPECT_EQ(out.take(), "bb");
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(out.bytes(), 0U);
}

TEST(Outbox, NewerProgressTakesThePlaceOfOlderAtTheEnd) {
    Outbox out;
    out.push("progress 1", "run-1");
    out.push("progress of another", "run-2");
    out.push("finished");
    out.push("progress 2", "run-1");
    EXPECT_EQ(out.take(), "progress of another");
    EXPECT_EQ(out.take(), "finished");
    EXPECT_EQ(out.take(), "progress 2");
    EXPECT_TRUE(out.empty());
}

TEST(Outbox, RefusesOnceTooManyBytesWait) {
    Outbox out;
    EXPECT_TRUE(out.push(std::string(Outbox::kMaxQueuedBytes + 1, 'x')));
    EXPECT_FALSE(out.push("y"));
}

TEST(Outbox, RefusesOnceTooManyLinesWait) {
    Outbox out;
    for (std::size_t i = 0; i < Outbox::kMaxQueuedLines; ++i) ASSERT_TRUE(out.push("x"));
    EXPECT_FALSE(out.push("x"));
}

TEST(Outbox, ProgressAloneNeverFillsIt) {
    Outbox out;
    for (std::size_t i = 0; i < 10 * Outbox::kMaxQueuedLines; ++i)
        ASSERT_TRUE(out.push("p", "run"));
    EXPECT_EQ(out.bytes(), 1U);
}

}  // namespace
}  // namespace zrepd::control
