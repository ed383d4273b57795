// SPDX-License-Identifier: BSD-2-Clause
// What may stand next on a command line.
#include "ctl/completion.hpp"

#include <gtest/gtest.h>

#include "common/text.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

Names known(Wanted wanted) {
    Names out;
    if (wanted == Wanted::copies) out.copies = {"tank/fs_diverged_2"};
    if (wanted == Wanted::copies) return out;
    out.datasets = {"tank/fs", "tank/home", "tank/my files"};
    out.hosts = {"beta", "gamma", "beta"};
    return out;
}

std::string of(const std::vector<std::string>& words) {
    return join(candidates(words, known), " ");
}

struct Line {
    std::vector<std::string> words;
    std::string found;
};

TEST(Completion, SaysWhatMayStandNext) {
    const Line lines[] = {
        {{"fail"}, "failover"},
        {{"un"}, "unfence unpause"},
        {{"help", "res"}, "rescue resolve"},
        {{"nonsense", ""}, ""},
        {{"--js"}, "--json"},
        {{"--json", "stat"}, "status"},
        {{"--socket", ""}, ""},
        {{"--socket", "/x", "ver"}, "version"},
        {{"failover", "tank/f"}, "tank/fs"},
        {{"failover", ""}, "all tank/fs tank/home tank/my files"},
        {{"failover", "tank/fs", ""}, "tank/fs tank/home tank/my files"},
        {{"failover", "-L", "tank/h"}, "tank/home"},
        {{"-S", "tank/h"}, "tank/home"},
        {{"failover", "--dr"}, "--dry-run"},
        {{"sync", "--no"}, "--no-wait"},
        {{"status", "--no"}, ""},
        {{"status", "-o", ""}, ""},
        {{"status", "-o", "role", "tank/f"}, "tank/fs"},
        {{"resolve", "tank/fs", "--keep", ""}, "HERE PEER"},
        {{"resolve", "--keep", "HERE", "tank/f"}, "tank/fs"},
        {{"resolve", "--", "tank/f"}, "tank/fs"},
        {{"init", "tank/new", ""}, "beta gamma"},
        {{"init", ""}, ""},
        {{"init", "tank/new", "beta", ""}, ""},
        {{"init", "--savecount", "7", "tank/new", "g"}, "gamma"},
        {{"changeconfig", "-d", "tank/fs", "b"}, "beta"},
        {{"changeconfig", "tank/fs", "beta", ""}, ""},
        {{"doctor", ""}, "beta gamma"},
        {{"auth"}, "authorize"},
        {{"authorize", ""}, "beta gamma"},
        {{"authorize", "beta", "--under", "tank/h"}, "tank/home"},
        {{"authorize", "beta", "--key", ""}, ""},
        {{"authorize", "beta", "--re"}, "--revoke"},
        {{"set", "tank/fs", "in"}, "interval="},
        {{"set", "tank/fs", "interval=1m", "li"}, "limit="},
        {{"rescue", ""}, "diff drop list"},
        {{"rescue", "drop", ""}, "tank/fs_diverged_2"},
        {{"rescue", "list", ""}, ""},
        {{"clear", "tank/fs", ""}, ""},
        {{"version", ""}, ""},
    };
    for (const Line& line : lines) EXPECT_EQ(of(line.words), line.found) << join(line.words, " ");
}

TEST(Completion, KnowsEveryCommandAndItsOptions) {
    const std::string all = of({""});
    for (const Command* command : commands()) {
        EXPECT_NE((" " + all + " ").find(" " + std::string(command->name) + " "), all.npos);
        const std::string options = of({command->name, "--"});
        const auto known_options = all_options(*command);
        for (const auto& option : known_options.options())
            EXPECT_NE(options.find("--" + option->long_name()), options.npos) << command->name;
    }
}

TEST(Completion, AsksTheDaemonOnlyWhereItHelps) {
    for (const auto& words :
         {std::vector<std::string>{"st"}, {"status", "--"}, {"set", "tank/fs", "i"}}) {
        const auto found = candidates(words, [](Wanted) -> Names {
            ADD_FAILURE() << "asked";
            return {};
        });
        EXPECT_FALSE(found.empty());
    }
}

}  // namespace
}  // namespace zrepd::ctl
