// SPDX-License-Identifier: BSD-2-Clause
// What the tests of `--dry-run` share: for each line of it the calls to zfs that it stands for, on
// both hosts; the run has to make those, in this order, and no others.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "common/text.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd::test {

using Calls = std::vector<std::string>;

/// A line of the dry run, by its beginning, and the beginnings of what is called for it.
struct Line {
    std::string says;
    Calls on_alpha = {};
    Calls on_beta = {};
};

struct StepsRow {
    std::string verb;
    std::function<void(VerbWorld&)> prepare;
    std::vector<Line> lines;
};

/// What was printed, a step or note each.
inline Calls lines_of(const Outcome& dry) {
    Calls out;
    for (const auto line : split(dry.said, '\n')) {
        const std::string_view would = line.starts_with("would ") ? line.substr(6) : line;
        if (!would.empty()) out.emplace_back(would);
    }
    return out;
}

/// Each begins as expected, and there is neither more nor less.
inline void expect_begins(const Calls& is, const Calls& wanted, const char* what) {
    for (std::size_t i = 0; i < std::max(is.size(), wanted.size()); ++i) {
        const std::string got = i < is.size() ? is[i] : "(nothing)";
        const std::string want = i < wanted.size() ? wanted[i] : "(nothing)";
        EXPECT_TRUE(got.starts_with(want))
            << what << " " << i << ": " << got << "\n  not: " << want;
    }
}

inline Outcome ask(VerbWorld& w, const Verb& verb, bool dry) {
    for (auto* host : {&w.a(), &w.b()}) host->zfs.forget_calls();
    w.dry = dry;
    return verb.ask(w);
}

/// The dry run's lines, and then the run's calls.
inline void expect_row(VerbWorld& w, const Verb& verb, const std::vector<Line>& wanted) {
    const Outcome dry = ask(w, verb, /*dry=*/true);
    EXPECT_TRUE(w.a().zfs.changes().empty() && w.b().zfs.changes().empty());
    ASSERT_EQ(dry.exit_status, 0) << dry.said;
    const Outcome run = ask(w, verb, /*dry=*/false);
    EXPECT_EQ(run.exit_status, 0) << run.said;
    Calls lines;
    Calls on_alpha;
    Calls on_beta;
    for (const Line& line : wanted) {
        lines.push_back(line.says);
        on_alpha.insert(on_alpha.end(), line.on_alpha.begin(), line.on_alpha.end());
        on_beta.insert(on_beta.end(), line.on_beta.begin(), line.on_beta.end());
    }
    expect_begins(lines_of(dry), lines, "step");
    expect_begins(w.a().zfs.changes(), on_alpha, "on alpha");
    expect_begins(w.b().zfs.changes(), on_beta, "on beta");
}

}  // namespace zrepd::test
