// SPDX-License-Identifier: BSD-2-Clause
// What a dry run says would be destroyed on either side is what the run destroys; and what an
// expiry that could not be finished says of what it did.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/text.hpp"
#include "tests/fakes/destroyed.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd {
namespace {

using test::destroy_lines;
using test::Destroyed;
using test::minus;
using test::snapshots_of;
using test::VerbWorld;

class ExpiryOfVerbs : public testing::TestWithParam<const char*> {
  protected:
    /// Five of them, where three are to stay here and two there.
    ExpiryOfVerbs() {
        for (int i = 0; i < 4; ++i) {
            const auto done =
                test::run_task(w.context(), w.a().engine.sync_now(*DatasetName::parse("tank/fs")));
            EXPECT_EQ(done.outcome, "done") << done.text;
            w.a().zfs.write("tank/fs", 7'000);
            w.look_again();
        }
        w.give(w.a(), "tank/fs", prop::kSavecount, "3");
        w.give(w.b(), "backup/fs", prop::kSavecount, "2");
        w.look_again();
    }
    Destroyed both() {
        Destroyed out = snapshots_of(w.a(), "tank/fs", "");
        out.merge(snapshots_of(w.b(), "backup/fs", " on beta"));
        return out;
    }
    VerbWorld w;
};

TEST_P(ExpiryOfVerbs, IsNamedBeforehand) {
    const auto& all = test::verbs();
    const auto verb = std::find_if(
        all.begin(), all.end(), [](const auto& one) { return one.name == GetParam(); });
    ASSERT_NE(verb, all.end());
    w.dry = true;
    const test::Outcome dry = verb->ask(w);
    ASSERT_EQ(dry.exit_status, 0) << dry.said;
    std::vector<std::string> steps;
    for (const auto line : split(dry.said, '\n'))
        if (line.starts_with("would ")) steps.emplace_back(line.substr(6));
    const Destroyed before = both();
    w.dry = false;
    const test::Outcome run = verb->ask(w);
    ASSERT_EQ(run.exit_status, 0) << run.said;
    const Destroyed gone = minus(before, both());
    EXPECT_EQ(gone.size(), 7U) << "three here and four there";
    EXPECT_EQ(destroy_lines(steps), gone);
}

INSTANTIATE_TEST_SUITE_P(Each,
                         ExpiryOfVerbs,
                         testing::Values("sync", "refresh", "failover", "takeover"),
                         [](const auto& one) { return std::string(one.param); });

class ExpiryOfPairs : public test::TwoHosts {
  protected:
    std::vector<std::string> steps_of_sync() {
        const auto found =
            test::run_task(io, alpha->engine.describe_sync({fs}, std::chrono::seconds(10)));
        EXPECT_TRUE(found && found->results.empty());
        return found ? found->steps : std::vector<std::string>{};
    }
    void save(test::TestHost& host, std::string_view dataset, const char* count) {
        host.zfs.at(dataset).props[std::string(prop::kSavecount)] = {count, Source::local};
    }
    /// One that was taken and sent, and something for the next.
    void sync_and_write() {
        const auto done = sync();
        ASSERT_EQ(done.outcome, "done") << done.text << (done.error ? done.error->message : "");
        alpha->zfs.write("tank/fs", 5'000);
    }
};

TEST_F(ExpiryOfPairs, OfATreeIsNamedPerMember) {
    alpha->zfs.create("tank/fs/a");
    alpha->zfs.write("tank/fs/a", 30'000);
    sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
    request.recursive = true;
    ASSERT_EQ(ended(test::run_task(io, alpha->engine.start_init(request))).outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    for (int i = 0; i < 3; ++i) sync_and_write();
    save(*alpha, "tank/fs", "3");
    save(*alpha, "tank/fs/a", "3");
    save(*beta, "backup/fs", "2");
    save(*beta, "backup/fs/a", "2");
    // A member that is new has no copy to expire.
    alpha->zfs.create("tank/fs/b");
    alpha->zfs.write("tank/fs/b", 30'000);
    const auto all = [&] {
        Destroyed out;
        for (const std::string below : {"", "/a", "/b"}) {
            out.merge(snapshots_of(*alpha, "tank/fs" + below, ""));
            out.merge(snapshots_of(*beta, "backup/fs" + below, " on beta"));
        }
        return out;
    };
    const auto steps = steps_of_sync();
    const Destroyed before = all();
    ASSERT_EQ(sync().outcome, "done");
    const Destroyed gone = minus(before, all());
    EXPECT_FALSE(gone.empty());
    EXPECT_EQ(destroy_lines(steps), gone);
}

TEST_F(ExpiryOfPairs, AnExpireWhosePeerIsAwaySaysWhatItDestroyedHere) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    for (int i = 0; i < 3; ++i) sync_and_write();
    save(*alpha, "tank/fs", "2");
    test::run_task(io, beta->server.stop());
    const auto run = ended(alpha->engine.start_expire({fs}, /*local_only=*/false));
    ASSERT_TRUE(run.error) << run.text;
    EXPECT_NE(run.error->message.find("destroyed 2 here, then: "), std::string::npos)
        << run.error->message;
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 2U);
    const auto again = ended(alpha->engine.start_expire({fs}, /*local_only=*/false));
    ASSERT_TRUE(again.error);
    EXPECT_EQ(again.error->message.find("destroyed"), std::string::npos) << again.error->message;
}

}  // namespace
}  // namespace zrepd
