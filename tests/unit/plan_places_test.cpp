// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/places.hpp"

#include <gtest/gtest.h>

#include <string>

#include "common/text.hpp"

namespace zrepd::plan {
namespace {

/// "beta gamma! delta^": a stream to beta, a first one to gamma, and an urgent one to delta.
std::vector<Stream> streams_of(std::string_view text) {
    std::vector<Stream> out;
    for (auto word : split(text, ' ')) {
        const bool first = word.ends_with('!');
        const bool urgent = word.ends_with('^');
        if (first || urgent) word.remove_suffix(1);
        if (!word.empty()) out.push_back({*HostName::parse(word), first, urgent});
    }
    return out;
}

Places places_of(std::size_t count,
                 std::string_view taken,
                 std::string_view waiting,
                 std::string_view peers) {
    Places out{.count = count, .taken = streams_of(taken), .waiting = streams_of(waiting)};
    for (const Stream& stream : streams_of(peers)) out.peers.insert(stream.peer);
    return out;
}

constexpr int kNone = -1;

TEST(StreamPlaces, GoToWhoCameFirstUnlessTheyAreLeftToOthers) {
    struct Case {
        const char* what;
        std::size_t count;
        const char* taken;
        const char* waiting;
        const char* peers;
        int next;
    };
    const Case cases[] = {
        {"nobody waits", 4, "", "", "beta", kNone},
        {"who came first", 4, "", "beta gamma", "beta gamma", 0},
        {"all are taken", 4, "beta beta beta gamma", "gamma", "beta gamma", kNone},
        {"of one host all are its own", 4, "beta beta beta", "beta", "beta", 0},
        {"the last is left to a host that may come", 4, "beta beta beta", "beta", "gamma", kNone},
        {"who came later and has none", 4, "beta beta beta", "beta gamma", "", 1},
        {"one that has none takes the last", 4, "beta beta beta", "gamma beta", "", 0},
        {"nobody else may come", 4, "beta beta gamma", "beta", "beta gamma", 0},
        {"two that have some leave one to a third", 4, "beta beta gamma", "beta", "delta", kNone},
        {"more hosts than places", 2, "beta", "gamma delta", "beta gamma delta", 0},
        {"of two places one for each host", 2, "beta", "beta gamma", "", 1},
        {"one place is whose turn it is", 1, "", "beta gamma", "beta gamma delta", 0},
        {"one place is whose turn it is, a first one too", 1, "", "beta! gamma", "gamma", 0},
        {"first ones leave one", 4, "beta! beta! beta!", "beta! beta", "beta", 1},
        {"also where none waits", 4, "beta! beta! beta!", "beta!", "beta", kNone},
        {"where others run there is one", 4, "beta beta beta", "beta! beta", "beta", 0},
        {"of what their host may have", 4, "beta! beta!", "beta! beta", "beta gamma", 1},
        {"and of all", 4, "beta! beta! gamma!", "gamma! beta", "beta gamma", 1},
        {"one may always run", 2, "beta", "gamma! gamma", "beta gamma", 0},
        {"but one", 2, "beta!", "gamma! gamma", "beta gamma", 1},
        {"beside first ones a sync runs", 4, "beta! beta! gamma!", "beta", "beta gamma delta", 0},
        {"of two places, too", 2, "beta!", "beta", "beta gamma", 0},
        {"an urgent one goes first", 4, "beta", "gamma beta^", "beta gamma", 1},
        {"and takes the last", 4, "beta beta beta", "gamma beta^", "beta gamma", 1},
        {"and one more", 2, "beta beta", "gamma beta^", "beta gamma", 1},
        {"but not two more", 2, "beta beta beta^", "gamma^ beta", "beta gamma", kNone},
    };
    for (const Case& c : cases) {
        const auto next = next_stream(places_of(c.count, c.taken, c.waiting, c.peers));
        EXPECT_EQ(next ? static_cast<int>(*next) : kNone, c.next) << c.what;
    }
}

/// Whatever waits, and whoever may come: where nothing runs, something begins.
TEST(StreamPlaces, NeverKeepAllWaiting) {
    for (std::size_t count = 1; count <= 8; ++count) {
        for (const char* waiting : {"beta", "beta!", "beta! beta", "gamma! beta!"}) {
            EXPECT_EQ(next_stream(places_of(count, "", waiting, "beta gamma delta")), 0U)
                << count << " " << waiting;
        }
    }
}

}  // namespace
}  // namespace zrepd::plan
