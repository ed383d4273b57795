// SPDX-License-Identifier: BSD-2-Clause
// What must hold for any two histories, tried on many generated ones. The generator is seeded with
// a constant: a failure is the same at every run, and says its number.
#include <gtest/gtest.h>

#include <random>

#include "daemon/plan/plan.hpp"
#include "daemon/plan/prune.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

constexpr int kRounds = 3000;

/// Both sides of a pair, changed by what administrators, zrepd and accidents do.
class World {
  public:
    explicit World(std::uint32_t seed) : random_(seed) {
        take("zrep_000000");
        receive(here_.snapshots.back());
        here_.snapshots.back().sent = 1;
        for (int i = below(12); i > 0; --i) happen();
    }

    Step plan() const { return plan_sync(source(), there_); }
    const Versions& here() const { return here_; }
    const TargetView& there() const { return there_; }
    std::uint64_t written() const { return dataset_.written_bytes; }

    /// Does what a step says, with the refusals zfs would have.
    void apply(const Incremental& step) {
        if (!step.take.empty()) {
            for (const Snapshot& s : here_.snapshots) ASSERT_NE(s.name, step.take);
            take(step.take);
        }
        const Snapshot sent = step.take.empty() ? *step.existing : here_.snapshots.back();
        ASSERT_FALSE(there_.snapshots.empty());
        ASSERT_EQ(there_.snapshots.back().guid, step.base_guid) << "base is not the newest there";
        ASSERT_TRUE(has_base(step)) << step.base;
        ASSERT_TRUE(there_.written_bytes == 0 || step.rollback_target);
        ASSERT_TRUE(there_.resume_token.empty() || step.abort_partial);
        for (const Snapshot& s : there_.snapshots) ASSERT_NE(s.name, sent.name);
        there_.written_bytes = 0;
        there_.resume_token.clear();
        there_.token_guid.reset();
        receive(sent);
        record(sent.guid);
    }
    void apply(const Resume& step) {
        ASSERT_EQ(there_.written_bytes, 0u);
        ASSERT_EQ(there_.token_guid, step.snapshot.guid);
        there_.resume_token.clear();
        there_.token_guid.reset();
        receive(step.snapshot);
        record(step.snapshot.guid);
    }
    void record(Guid guid) {
        for (Snapshot& s : here_.snapshots) {
            if (s.guid == guid) s.sent = 1;
        }
    }

  private:
    SourceView source() const { return {&dataset_, &here_}; }
    int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }

    void take(std::string name) {
        Snapshot one;
        one.name = std::move(name);
        one.guid = Guid{++guid_};
        one.createtxg = ++txg_;
        one.written_bytes = dataset_.written_bytes;
        dataset_.written_bytes = 0;
        here_.snapshots.push_back(one);
    }
    void receive(Snapshot one) {
        here_.bookmarks.push_back({zrep_bookmark_name(one.guid), one.guid, one.createtxg});
        one.sent.reset();
        there_.snapshots.push_back(one);
    }
    bool has_base(const Incremental& step) const {
        const std::string name = step.base.substr(1);
        for (const Snapshot& s : here_.snapshots) {
            if (step.base[0] == '@' && s.name == name && s.guid == step.base_guid) return true;
        }
        for (const Bookmark& b : here_.bookmarks) {
            if (step.base[0] == '#' && b.name == name && b.guid == step.base_guid) return true;
        }
        return false;
    }
    void happen() {
        switch (below(9)) {
            case 0:
                dataset_.written_bytes += 100;
                break;
            case 1:
                take("daily_" + std::to_string(guid_ + 1));
                break;
            case 2:
                take(zrep_snapshot_name(guid_ + 1));
                break;
            case 3:  // an administrator cleans up here, anywhere
                if (!here_.snapshots.empty()) {
                    here_.snapshots.erase(here_.snapshots.begin() +
                                          below(static_cast<int>(here_.snapshots.size())));
                }
                break;
            case 4:  // a sync whose answer got lost
                if (here_.snapshots.back().guid.value > there_.snapshots.back().guid.value) {
                    receive(here_.snapshots.back());
                }
                break;
            case 5:
                there_.written_bytes = 7;
                break;
            case 6:
                there_.resume_token = "1-x";
                there_.token_guid = Guid{1 + random_() % (guid_ + 2)};
                break;
            case 7:
                if (below(6) == 0) {
                    there_.snapshots.push_back(test::snaps("@theirs:9999").snapshots.front());
                }
                break;
            default:
                dataset_.written_bytes = 0;
        }
        if (here_.snapshots.empty()) take("refuge");
    }

    std::mt19937 random_;
    std::uint64_t guid_ = 0;
    std::uint64_t txg_ = 0;
    Dataset dataset_ = test::master(0);
    Versions here_;
    TargetView there_ = test::target("");
};

bool is_synced(const World& world) {
    const auto& there = world.there().snapshots;
    for (auto it = world.here().snapshots.rbegin(); it != world.here().snapshots.rend(); ++it) {
        if (it->guid == there.back().guid) return true;
        if (it->written_bytes != 0) return false;
    }
    return false;  // a bookmark is no snapshot that both sides could change roles at
}

/// Follows the plan until it has nothing more to do; the number of rounds, or -1 after a conflict.
int settle(World& world) {
    // One for what was interrupted, one for what is new, one to record: more would be a loop.
    for (int round = 0; round < 4; ++round) {
        const Step step = world.plan();
        if (std::holds_alternative<Conflict>(step)) return -1;
        if (const auto* skip = std::get_if<Skip>(&step)) {
            if (!skip->acknowledge) return round;
            world.record(skip->acknowledge->guid);
        } else if (const auto* resume = std::get_if<Resume>(&step)) {
            world.apply(*resume);
        } else {
            world.apply(std::get<Incremental>(step));
        }
        if (::testing::Test::HasFatalFailure()) return -1;
    }
    ADD_FAILURE() << "the plan does not come to an end";
    return -1;
}

TEST(PlanProperties, FollowingThePlanMakesTheTargetEqualToTheSource) {
    int settled = 0;
    for (int seed = 0; seed < kRounds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(static_cast<std::uint32_t>(seed));
        if (settle(world) < 0) {
            if (HasFailure()) return;
            continue;
        }
        ++settled;
        EXPECT_EQ(world.written(), 0u);
        ASSERT_TRUE(is_synced(world));
    }
    EXPECT_GT(settled, kRounds / 2) << "the generator makes conflicts only";
}

TEST(PlanProperties, AConflictMeansThatTheTargetHasWhatTheSourceHasNot) {
    int conflicts = 0;
    for (int seed = 0; seed < kRounds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const World world(static_cast<std::uint32_t>(seed));
        if (!std::holds_alternative<Conflict>(world.plan())) continue;
        ++conflicts;
        const Guid newest = world.there().snapshots.back().guid;
        ASSERT_EQ(find_snapshot(world.here(), newest), nullptr);
        for (const Bookmark& mark : world.here().bookmarks) ASSERT_NE(mark.guid, newest);
    }
    EXPECT_GT(conflicts, 0) << "the generator makes no conflicts";
}

TEST(PlanProperties, ExpiryNeverTakesTheBaseOrWhatIsNewerOrForeign) {
    for (int seed = 0; seed < kRounds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world(static_cast<std::uint32_t>(seed));
        if (settle(world) < 0) continue;
        const Guid base = world.there().snapshots.back().guid;
        Versions there{world.there().snapshots, {}};
        for (const Versions& side : {world.here(), there}) {
            const Snapshot* kept = find_snapshot(side, base);
            const Retention retention{.savecount = static_cast<unsigned>(seed) % 4};
            for (const auto& verdict : prune(side, base, retention)) {
                if (!verdict.destroy) continue;
                ASSERT_NE(kept, nullptr) << "destroyed without knowing the base";
                ASSERT_TRUE(zrep_sequence(verdict.snapshot)) << verdict.snapshot;
                for (const Snapshot& s : side.snapshots) {
                    if (s.name != verdict.snapshot) continue;
                    ASSERT_LT(s.createtxg, kept->createtxg) << s.name;
                }
            }
        }
    }
}

}  // namespace
}  // namespace zrepd::plan
