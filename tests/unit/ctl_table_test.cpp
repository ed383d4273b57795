// SPDX-License-Identifier: BSD-2-Clause
// What reaches the terminal of whoever runs zrepctl.
#include "ctl/render/table.hpp"

#include <gtest/gtest.h>

namespace zrepd::ctl {
namespace {

TEST(Printable, ReplacesWhatSteersATerminalOrReordersALine) {
    const std::pair<const char*, const char*> table[] = {
        {"a\x1b[31mb\n\x7f", "a?[31mb??"},
        {"\xc2\x9b"
         "31m",
         "?31m"},                            // U+009B, CSI in one character
        {"a\xc2\x80\xc2\x9f", "a??"},        // the first and the last of C1
        {"tank/\xe2\x80\xae", "tank/?"},     // U+202E
        {"\xe2\x80\xaa\xe2\x81\xa6", "??"},  // U+202A, U+2066
        {"\xe2\x81\xa9", "?"},               // U+2069
        {"\xe2\x80\x8e\xe2\x80\x8f", "??"},  // U+200E, U+200F
        {"\xff\x9b", "??"},                  // no UTF-8; C1 for a terminal without it
        {"gr\xc3\xb6\xc3\x9f\xe2\x82\xac\xc2\xa0", "gr\xc3\xb6\xc3\x9f\xe2\x82\xac\xc2\xa0"}};
    for (const auto& [text, shown] : table) EXPECT_EQ(printable(text), shown);
}

TEST(Aligned, CountsTheColumnsOfWhatIsShown) {
    EXPECT_EQ(aligned({{"\xff\xff", "x"}, {"\xc3\xb6", "y"}}), "??  x\n\xc3\xb6   y\n");
}

TEST(ListText, LetsNoNameSteerTheTerminal) {
    rpc::ListOut list;
    list.pairs.push_back({.dataset = "tank/fs",
                          .role = "master",
                          .peer = "beta",
                          .peer_dataset = "backup/fs",
                          .properties = {{"zrep:accept", "\x1b]0;"}},
                          .last_acked = "tank/fs@\xc2\x9b"});
    EXPECT_EQ(list_text(list, /*verbose=*/true).find('\x1b'), std::string::npos);
    EXPECT_EQ(list_text(list, /*verbose=*/true).find('\xc2'), std::string::npos);
}

}  // namespace
}  // namespace zrepd::ctl
