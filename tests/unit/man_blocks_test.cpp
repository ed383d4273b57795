// SPDX-License-Identifier: BSD-2-Clause
// How what the programs say of themselves becomes mdoc, and finds its place in a page.
#include "tests/fakes/man_blocks.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/mdoc.hpp"

namespace zrepd {
namespace {

TEST(Mdoc, UsageBecomesMacros) {
    const std::pair<const char*, const char*> cases[] = {
        {"", ""},
        {"FILESYSTEM HOST", "Ar FILESYSTEM Ar HOST"},
        {"[-r]", "Oo Fl r Oc"},
        {"[--dry-run]", "Oo Fl Fl dry-run Oc"},
        {"[--savecount N] NAME", "Oo Fl Fl savecount Ar N Oc Ar NAME"},
        {"[-L [--master-is-off]]", "Oo Fl L Oo Fl Fl master-is-off Oc Oc"},
        {"FILESYSTEM...|all", "Ar FILESYSTEM ... | Cm all"},
        {"A|A@SNAPSHOT|all", "Ar A | Ar A@SNAPSHOT | Cm all"},
        {"NAME...|all | NAME@S [--yes]", "Ar NAME ... | Cm all | Ar NAME@S Oo Fl Fl yes Oc"},
        {"[FILESYSTEM...]", "Oo Ar FILESYSTEM ... Oc"},
        {"[-o COLUMN,...]", "Oo Fl o Ar COLUMN,... Oc"},
        {"DATASET KEY=VALUE...", "Ar DATASET Ar KEY Ns = Ns Ar VALUE ..."},
        {"NAME --keep HERE|PEER", "Ar NAME Fl Fl keep Cm HERE | Cm PEER"},
        {"list | diff COPY", "Cm list | Cm diff Ar COPY"},
        {"drop COPY --yes|--dry-run", "Cm drop Ar COPY Fl Fl yes | Fl Fl dry-run"},
        {"add-it", "Cm add-it"}};
    for (const auto& [arguments, wanted] : cases) EXPECT_EQ(mdoc::usage(arguments), wanted);
}

TEST(Mdoc, AnOptionIsAnItemWithItsShortNameItsArgumentAndItsDefault) {
    EXPECT_EQ(mdoc::item({.name = "yes", .letter = "", .argument = "", .text = "do it"}),
              ".It Fl Fl yes\nDo it.\n");
    EXPECT_EQ(mdoc::item({.name = "lines", .letter = "n", .argument = "N", .text = "so many [9]"}),
              ".It Fl n , Fl Fl lines Ar N\nSo many.\nDefault: 9.\n");
}

TEST(Mdoc, TheDefaultStandsInBracketsAtTheEnd) {
    using Told = std::pair<std::string, std::string>;
    EXPECT_EQ(mdoc::without_default("how many [5]"), Told("how many", "5"));
    EXPECT_EQ(mdoc::without_default("how many"), Told("how many", ""));
    EXPECT_EQ(mdoc::without_default("a [b] c"), Told("a [b] c", ""));
    EXPECT_EQ(mdoc::without_default("or [::1]:PORT [none]"), Told("or [::1]:PORT", "none"));
}

TEST(Mdoc, AHelpTextBecomesSentences) {
    const std::pair<const char*, const char*> cases[] = {
        {"with everything", "With everything.\n"},
        {"with drop: do it", "With drop: do it.\n"},
        {"ssh-config's own", "ssh-config's own.\n"},
        {"zrep snapshots to keep [5]", "zrep snapshots to keep.\nDefault: 5.\n"},
        {"zrep:fence counts", "zrep:fence counts.\n"},
        {"DESTINATION is there", "DESTINATION is there.\n"},
        {"with -L: as --local", "With \\-L: as \\-\\-local.\n"},
        {"re-read (-f)", "Re-read (\\-f).\n"},
        {"its key; - for standard input", "Its key; \\- for standard input.\n"}};
    for (const auto& [text, wanted] : cases) EXPECT_EQ(mdoc::sentences(text), wanted);
}

TEST(Mdoc, LinesOfTextAreShortAndBeginNoRequest) {
    EXPECT_EQ(mdoc::lines("One. Two (three.) Four?"), "One.\nTwo (three.)\nFour?\n");
    EXPECT_EQ(mdoc::lines(".prom and \\0"), "\\&.prom and \\e0\n");
    EXPECT_EQ(mdoc::lines("'tis"), "\\&'tis\n");
    EXPECT_EQ(mdoc::lines(""), "");
    std::string words;
    for (int i = 0; i < 100; ++i) words += "word ";
    const std::string text = mdoc::lines(words);
    for (std::size_t from = 0, end = 0; (end = text.find('\n', from)) != text.npos; from = end + 1)
        EXPECT_LE(end - from, 80U);
}

TEST(Mdoc, AWordIsNoMacro) {
    EXPECT_EQ(mdoc::word("run_started"), "run_started");
    EXPECT_EQ(mdoc::word("Fl and No"), "\\&Fl and \\&No");
}

TEST(Mdoc, APartIsReplacedAndTheRestStays) {
    const std::string page = "a\n.\\\" begin generated: x\nold\n.\\\" end generated\nb\n";
    const auto out = mdoc::filled(page, {{"x", "new\n"}});
    EXPECT_EQ(out.problem, "");
    EXPECT_EQ(out.page, "a\n.\\\" begin generated: x\nnew\n.\\\" end generated\nb\n");
    EXPECT_EQ(mdoc::filled(out.page, {{"x", "new\n"}}).page, out.page);
}

TEST(Mdoc, APageThatDoesNotFitTheProgramIsToldOf) {
    const std::string x = ".\\\" begin generated: x\n";
    const std::string end = ".\\\" end generated\n";
    const mdoc::Blocks blocks{{"x", "new\n"}};
    EXPECT_EQ(mdoc::filled("", blocks).problem, "missing: x");
    EXPECT_EQ(mdoc::filled(x + end, {}).problem, "not of the program: x");
    EXPECT_EQ(mdoc::filled(x + end + x + end, blocks).problem, "twice: x");
    EXPECT_EQ(mdoc::filled(x, blocks).problem, "no end: x");
    EXPECT_EQ(mdoc::filled(x + x + end, blocks).problem, "no end: x");
    EXPECT_EQ(mdoc::filled(x + end + end, blocks).problem, "an end too many");
}

TEST(ManBlocks, KeyedLinesAreJoinedAndExamplesLeftOut) {
    using Lines = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(man_blocks::keyed_lines("Settings inherit.\n"
                                      "  keep   older ones, as\n"
                                      "         a grid\n"
                                      "  paused yes\n"
                                      "  limit  bytes\n"
                                      "The end.\n\nExample:\n  zrepctl set tank\n"),
              (Lines{{"keep", "older ones, as a grid"}, {"limit", "bytes"}}));
}

}  // namespace
}  // namespace zrepd
