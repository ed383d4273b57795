// SPDX-License-Identifier: BSD-2-Clause
// What reaches the terminal of whoever runs zrepctl.
#include "ctl/render/table.hpp"

#include <gtest/gtest.h>

#include "ctl/render/columns.hpp"

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

TEST(ListAnswer, SaysWhatThereIsAndWhereThereIsNothing) {
    const auto list = [](std::vector<std::string> roles, bool incoming) {
        rpc::ListOut out;
        for (auto& role : roles) {
            auto& pair = out.pairs.emplace_back();
            pair.dataset = "tank/" + role;
            pair.role = std::move(role);
            pair.peer = "beta";
            pair.peer_dataset = "pool/x";
        }
        return list_answer(out, {.host = "alpha", .incoming = incoming});
    };
    EXPECT_EQ(list({}, false),
              "no pairs on alpha\n  next: zrepctl init FILESYSTEM HOST DESTINATION makes one\n");
    EXPECT_EQ(list({}, true), list({}, false));
    EXPECT_EQ(list({"master", "target"}, false),
              "tank/master  ->  beta:pool/x  master\ntank/target  <-  beta:pool/x  target\n");
    EXPECT_EQ(list({"master", "target"}, true), "tank/target  <-  beta:pool/x  target\n");
    EXPECT_EQ(list({"master"}, true),
              "nothing is received on alpha\n  next: zrepctl list without -L shows the other pairs "
              "too\n");
}

rpc::StatusOut two_pairs() {
    rpc::PairStatus pair;
    pair.dataset = "tank/a b";
    pair.role = "target";
    pair.epoch = 7;
    pair.peer = "beta";
    pair.peer_dataset = "backup/fs";
    pair.peer_state = "unknown";
    pair.backlog_bytes = 9;
    pair.health = "failing";
    rpc::StatusOut status;
    status.pairs = {pair, pair};
    status.pairs.back().lag_seconds = 0;
    status.pairs.back().paused = true;
    status.pairs.back().last_error = rpc::Trouble{"no_space", "full", "", ""};
    return status;
}

TEST(StatusText, SaysWhereATargetWasPutBackToAndHowToGoOn) {
    rpc::StatusOut status = two_pairs();
    EXPECT_EQ(status_text(status).find("put back"), std::string::npos);
    status.pairs.back().put_back = "tank/a b@zrep_000001";
    EXPECT_NE(status_text(status).find(
                  "tank/a b: its target was put back to tank/a b@zrep_000001, and stays there, "
                  "paused\n  next: zrepctl unpause 'tank/a b', then zrepctl sync 'tank/a b'\n"),
              std::string::npos)
        << status_text(status);
}

TEST(StatusText, TellsOfAWarningBesideTheHealth) {
    rpc::StatusOut status = two_pairs();
    status.pairs.back().warning =
        rpc::Trouble{"writable", "mounted writable", "zfs unmount 'x'", status.time};
    const std::string text = status_text(status);
    EXPECT_NE(text.find(", writable"), std::string::npos) << text;
    EXPECT_NE(text.find("tank/a b: mounted writable\n  since: "), std::string::npos) << text;
    EXPECT_NE(text.find("  next: zfs unmount 'x'\n"), std::string::npos) << text;
}

TEST(StatusLines, HaveTheColumnsThatWereAskedForInThatOrder) {
    const std::pair<const char*, const char*> table[] = {
        {"role", "target\ntarget\n"},
        {"epoch,dataset", "7\ttank/a b\n7\ttank/a b\n"},
        {"peer,peer_dataset,peer_state", "beta\tbackup/fs\tunknown\nbeta\tbackup/fs\tunknown\n"},
        {"lag_seconds,paused,error", "-\tno\t-\n0\tyes\tno_space\n"},
        {"backlog_bytes,health", "9\tfailing\n9\tfailing\n"}};
    for (const auto& [columns, lines] : table) {
        const auto names = status_columns(columns);
        ASSERT_TRUE(names) << columns;
        EXPECT_EQ(status_lines(two_pairs(), *names), lines) << columns;
    }
}

TEST(StatusLines, KeepTheirColumnsWhateverAValueHolds) {
    rpc::StatusOut status = two_pairs();
    status.pairs.pop_back();
    status.pairs[0].peer = "b\tc\nd";
    EXPECT_EQ(status_lines(status, {"peer", "role"}), "b?c?d\ttarget\n");
    status.pairs[0].dataset = "";
    EXPECT_EQ(status_lines(status, {"dataset", "role"}), "-\ttarget\n");
}

TEST(StatusColumns, RefuseWhatIsNone) {
    for (const char* text : {"", "rôle", "role,", ",role", "role,,epoch", "role epoch", "Role"}) {
        const auto names = status_columns(text);
        ASSERT_FALSE(names) << text;
        EXPECT_EQ(names.error().code, Code::invalid_params);
        EXPECT_NE(names.error().remedy.find("peer_state, lag_seconds"), std::string::npos);
    }
}

}  // namespace
}  // namespace zrepd::ctl
