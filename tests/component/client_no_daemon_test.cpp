// SPDX-License-Identifier: BSD-2-Clause
// zrepctl where no daemon runs: each command says how to start it.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "ctl/command.hpp"
#include "ctl/dispatch.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::ctl {
namespace {

struct Typed {
    std::string command;
    std::vector<std::string> words;
    bool plain = true;  ///< it says no more than the error
};

TEST(NoDaemon, EachCommandSaysHowToStartIt) {
    const std::string fs = "tank/fs";
    const std::vector<Typed> all{
        {"authorize", {"beta", "--ask"}},
        {"init", {fs, "beta", "backup/fs"}},
        {"sync", {fs}},
        {"list", {}},
        {"status", {}},
        {"expire", {fs}},
        {"failover", {fs}},
        {"takeover", {"-L", fs}},
        {"resolve", {fs, "--keep", "HERE"}},
        {"unfence", {fs}},
        {"rescue", {"list"}},
        {"drill", {fs}},
        {"pause", {fs}},
        {"unpause", {fs}},
        {"clear", {fs}},
        {"set", {fs, "limit=1M"}},
        {"version", {}},
        {"check", {}, /*plain=*/false},
        {"events", {}},
        {"refresh", {fs}},
        {"changeconfig", {fs, "beta", "backup/fs"}},
    };
    test::TempFolder folder;
    // It goes on without it; its own test has what it says then.
    std::set<std::string> typed{"doctor"};
    for (const Typed& one : all) {
        SCOPED_TRACE(one.command);
        typed.insert(one.command);
        std::vector<std::string> words{"--socket", folder.path / "none.sock", one.command};
        words.insert(words.end(), one.words.begin(), one.words.end());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        EXPECT_EQ(dispatch(std::move(words)), 3);
        const std::string said = testing::internal::GetCapturedStdout();
        const std::string err = testing::internal::GetCapturedStderr();
        EXPECT_NE((said + err).find("zrepd is not running"), std::string::npos) << said << err;
        const bool advised = (said + err).find("next: ") != std::string::npos;
        EXPECT_TRUE(advised || !one.plain) << err;
    }
    for (const Command* command : commands())
        EXPECT_TRUE(typed.contains(command->name)) << command->name;
}

}  // namespace
}  // namespace zrepd::ctl
