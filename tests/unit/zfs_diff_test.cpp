// SPDX-License-Identifier: BSD-2-Clause
// Lines of `zfs diff -F -H`, as OpenZFS 2.1 and 2.3 print them.
#include <gtest/gtest.h>

#include "common/text.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd {
namespace {

constexpr std::string_view kRoot = "/run/zrepd/diff/1/copy";

std::string shown(std::string_view line) {
    const auto change = parse::file_change(line, kRoot);
    if (!change) return "nothing";
    std::string out = {change->kind, ' ', change->type, ' '};
    out += change->path;
    return change->new_path.empty() ? out : out + " > " + change->new_path;
}

TEST(ZfsDiff, ReadsEveryKindOfChange) {
    struct Case {
        const char* line;
        const char* wanted;
    };
    const Case cases[] = {
        {"M\tF\t/run/zrepd/diff/1/copy/a", "M F /a"},
        {"-\tF\t/run/zrepd/diff/1/copy/b", "- F /b"},
        {"+\tF\t/run/zrepd/diff/1/copy/c\\0040d", "+ F /c d"},
        {"M\t/\t/run/zrepd/diff/1/copy/", "M / /"},
        {"R\tF\t/run/zrepd/diff/1/copy/x\t/run/zrepd/diff/1/copy/y", "R F /x > /y"},
        {"M\tF\t/run/zrepd/diff/1/copy/hard\t(+1)", "M F /hard"},
        {"M\tF\t/elsewhere/a", "M F /elsewhere/a"},
    };
    for (const Case& c : cases) EXPECT_EQ(shown(c.line), c.wanted);
}

TEST(ZfsDiff, DecodesTextAndLeavesWhatSteersATerminalAsZfsWroteIt) {
    struct Case {
        const char* name;
        const char* wanted;
    };
    const Case cases[] = {
        {"\\0303\\0244", "\xc3\xa4"},                     // ä
        {"\\0303", "\\0303"},                             // half of it
        {"a\\0033[2J", "a\\0033[2J"},                     // escape
        {"\\0012", "\\0012"},                             // line break
        {"\\0134", "\\0134"},                             // a backslash itself
        {"\\0134\\0040", "\\0134 "},                      //
        {"\\0342\\0200\\0256", "\\0342\\0200\\0256"},     // right-to-left override
        {"\\0302\\0233x", "\\0302\\0233x"},               // C1
        {"\\0377\\0040\\0303\\0244", "\\0377 \xc3\xa4"},  //
        {"\\9", "\\9"},                                   // no escape of zfs's
        {"\\0777", "\\0777"},                             // no byte
        {"\\004", "\\004"},                               // cut short
        {"plain", "plain"},
        {"a\x1b[2J", "a\\0033[2J"},  // zfs writes none of these as they are
        {"\xc3\xa4 b", "\\0303\\0244\\0040b"},
    };
    for (const Case& c : cases) {
        const std::string line = "+\tF\t" + std::string(kRoot) + "/" + c.name;
        EXPECT_EQ(shown(line), "+ F /" + std::string(c.wanted)) << c.name;
    }
}

TEST(ZfsDiff, TakesNothingElseForAChange) {
    for (const char* line :
         {"", "M", "M\tF", "X\tF\t/a", "MM\tF\t/a", "M\tFF\t/a", "R\tF\t/a", "\t\t"}) {
        EXPECT_EQ(shown(line), "nothing") << quote(line);
    }
}

TEST(ZfsDiff, MountsReadonlyWithoutChangingAProperty) {
    const auto dataset = *DatasetName::parse("tank/a b");
    EXPECT_EQ(join(command::mount_at(dataset, "/run/x"), "|"),
              "mount|-t|zfs|-o|zfsutil,ro,nosuid,nodev,noexec|tank/a b|/run/x");
    EXPECT_EQ(join(command::unmount_at("/run/x"), "|"), "umount|--|/run/x");
    const DiffSpec spec{.from = *SnapshotName::parse("tank/a@x"),
                        .to = *SnapshotName::parse("tank/b@y")};
    EXPECT_EQ(join(command::diff(spec), "|"), "zfs|diff|-F|-H|tank/a@x|tank/b@y");
}

}  // namespace
}  // namespace zrepd
