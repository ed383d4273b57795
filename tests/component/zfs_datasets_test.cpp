// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli lists datasets against a scripted `zfs` that has more to say than it may.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "daemon/zfs/zfs_cli.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

class ZfsDatasets : public ::testing::Test {
  protected:
    ZfsDatasets() {
        processes.emplace(io.get_executor(), folder_.string() + ":/usr/bin:/bin");
        zfs.emplace(*processes,
                    ZfsPaths{.kstat = folder_ / "kstat", .module_version = folder_ / "version"});
    }
    /// What stands in for zfs: shell lines; each call is noted.
    void script(const std::string& body) {
        const std::filesystem::path path = folder_ / "zfs";
        std::ofstream(path) << "#!/bin/sh\nprintf '%s\\n' \"$*\" >> "
                            << (folder_ / "calls").string() << "\n"
                            << body << "\n";
        ::chmod(path.c_str(), 0755);
    }
    void import_pool(const std::string& pool) {
        std::filesystem::create_directories(folder_ / "kstat" / pool);
        std::ofstream(folder_ / "kstat" / pool / "state") << "ONLINE\n";
    }
    std::size_t calls() const {
        std::ifstream file(folder_ / "calls");
        std::size_t count = 0;
        for (std::string line; std::getline(file, line);) ++count;
        return count;
    }

    asio::io_context io{1};
    std::optional<Processes> processes;
    std::optional<ZfsCli> zfs;
    test::TempFolder temp_;
    std::filesystem::path folder_ = temp_.path;
};

/// Some thousands of small filesystems with long names, of a peer that may found them, are enough.
TEST_F(ZfsDatasets, AreListedInPartsWhereAllOfThemHaveTooMuchToSay) {
    import_pool("tank");
    // Four at once are too much as well.
    script(
        "case \"$*\" in list*) printf 'tank\\ntank/a\\ntank/b\\ntank/c\\n'; exit 0;; "
        "*'tank/a tank/b'*) yes | head -c 70000000; exit 0;; *tank*) ;; "
        "*) yes | head -c 70000000; exit 0;; esac\n"
        "for name in $(printf '%s\\n' \"$@\" | grep ^tank); do "
        "printf '%s\\ttype\\tfilesystem\\t-\\n%s\\tguid\\t7\\t-\\n' $name $name; done");
    auto found = test::run_task(io, zfs->datasets({}));
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->size(), 4U);
    EXPECT_EQ(calls(), 5U) << "all, the names, four of them, and two halves";
    found = test::run_task(io, zfs->datasets({}));
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->size(), 4U);
    EXPECT_EQ(calls(), 9U) << "not all at once any more";
}

TEST_F(ZfsDatasets, OfAPoolThatHasTooMuchToSayCostTheOthersOneProcessEach) {
    for (const char* pool : {"dozer", "tank"}) import_pool(pool);
    script(
        "case \"$*\" in list*) printf 'tank\\ntank/a\\n'; exit 0;; "
        "*tank/a) set -- tank tank/a;; *dozer) set -- dozer;; "
        "*) yes | head -c 70000000; exit 0;; esac\n"
        "for name; do printf '%s\\ttype\\tfilesystem\\t-\\n%s\\tguid\\t7\\t-\\n' $name $name; "
        "done");
    for (int i = 0; i < 2; ++i) {
        const auto found = test::run_task(io, zfs->datasets({}));
        ASSERT_TRUE(found) << found.error().text();
        EXPECT_EQ(found->size(), 3U);
    }
    EXPECT_EQ(calls(), 8U) << "all, dozer, tank, names, tank's; then dozer, names, tank's";
}

}  // namespace
}  // namespace zrepd
