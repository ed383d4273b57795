// SPDX-License-Identifier: BSD-2-Clause
// The file for node_exporter, in real folders; and what may block for ever.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "daemon/log.hpp"
#include "daemon/metrics/text_file.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::metrics {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::run_task;
using test::run_until;

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

class MetricsFileTest : public ::testing::Test {
  protected:
    MetricsFileTest() {
        fs::create_directory(folder);
        ::chmod(folder.c_str(), 0755);
    }

    asio::io_context io{1};
    test::TempFolder temp;
    fs::path folder = temp.path / "node-exporter";
    fs::path file = folder / "zrepd.prom";
};

TEST_F(MetricsFileTest, WritesAFileThatEverybodyMayRead) {
    const mode_t before = ::umask(0177);
    const auto written = write_file(file, "figures\n");
    ::umask(before);
    ASSERT_TRUE(written) << written.error().text();
    EXPECT_EQ(text_of(file), "figures\n");
    EXPECT_EQ(fs::status(file).permissions(), fs::perms{0644});
    EXPECT_EQ(files_in(folder), 1U);
}

TEST_F(MetricsFileTest, ReplacesTheFileAndNotWhatALinkPointsTo) {
    std::ofstream(temp.path / "precious") << "precious";
    fs::create_symlink(temp.path / "precious", file);
    fs::create_symlink(temp.path / "precious", folder / ".zrepd.prom.new");
    ASSERT_TRUE(write_file(file, "figures\n"));
    EXPECT_FALSE(fs::is_symlink(file));
    EXPECT_EQ(text_of(file), "figures\n");
    EXPECT_EQ(text_of(temp.path / "precious"), "precious");
    EXPECT_EQ(files_in(folder), 1U);
}

TEST_F(MetricsFileTest, RefusesAFolderThatOthersCanWriteTo) {
    EXPECT_TRUE(check_folder(file));
    for (const mode_t mode : {0775U, 0757U, 01777U}) {
        ::chmod(folder.c_str(), mode);
        const auto refused = write_file(file, "figures\n");
        ASSERT_FALSE(refused) << mode;
        EXPECT_NE(refused.error().message.find("can write to it"), std::string::npos);
        EXPECT_FALSE(check_folder(file));
    }
    ::chmod(folder.c_str(), 0755);
    fs::create_directory_symlink(folder, temp.path / "link");
    EXPECT_FALSE(write_file(temp.path / "link" / "zrepd.prom", "figures\n"));
    EXPECT_FALSE(write_file(temp.path / "nothing" / "zrepd.prom", "figures\n"));
    EXPECT_EQ(files_in(folder), 0U);
    if (::geteuid() != 0) GTEST_SKIP() << "another user's folder: only root can make one";
    ASSERT_EQ(::chown(folder.c_str(), 65534, 65534), 0);
    EXPECT_FALSE(check_folder(file));
}

TEST_F(MetricsFileTest, AFileThatCannotBeReplacedIsAnErrorThatLeavesNothing) {
    fs::create_directories(file / "in the way");
    const auto refused = write_file(file, "figures\n");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::io_error);
    EXPECT_EQ(files_in(folder), 1U);
}

TEST_F(MetricsFileTest, WritesAgainAndAgainAndTakesTheFileAwayAtTheEnd) {
    int number = 0;
    const Source source = [&number](Format format) {
        EXPECT_EQ(format, Format::prometheus);
        return std::make_shared<const std::string>(std::to_string(++number));
    };
    TextFile out(io.get_executor(), file, source, 10ms);
    out.start();
    run_until(io, [this] { return text_of(file) == "3"; });
    run_task(io, out.stop());
    EXPECT_FALSE(fs::exists(file));
}

TEST_F(MetricsFileTest, SaysOnceThatItFailsAndOnceThatItIsWellAgain) {
    testing::internal::CaptureStdout();
    log::start("info");
    int asked = 0;
    const Source source = [&asked](Format) {
        ++asked;
        return std::make_shared<const std::string>("figures\n");
    };
    ::chmod(folder.c_str(), 0777);
    TextFile out(io.get_executor(), file, source, 5ms);
    out.start();
    run_until(io, [&asked] { return asked == 5; });
    ::chmod(folder.c_str(), 0755);
    run_until(io, [this] { return fs::exists(file); });
    const int before = asked;
    run_until(io, [&] { return asked == before + 3; });
    run_task(io, out.stop());
    log::flush();
    const std::string said = testing::internal::GetCapturedStdout();
    log::start("info");
    const auto failed = said.find("metrics_file_failed");
    ASSERT_NE(failed, said.npos) << said;
    EXPECT_EQ(said.find("metrics_file_failed", failed + 1), said.npos) << said;
    const auto well = said.find("metrics_file_written");
    ASSERT_NE(well, said.npos) << said;
    EXPECT_EQ(said.find("metrics_file_written", well + 1), said.npos) << said;
}

using End = SideThread::End;

class SideThreadTest : public ::testing::Test {
  protected:
    asio::io_context io{1};
};

TEST_F(SideThreadTest, RunsTheWorkElsewhereAndWaitsForItsEnd) {
    SideThread side(io.get_executor());
    const auto where = std::make_shared<std::thread::id>(std::this_thread::get_id());
    const std::function<void()> work = [where] { *where = std::this_thread::get_id(); };
    EXPECT_EQ(run_task(io, side.run(work, 10s)), End::done);
    EXPECT_NE(*where, std::this_thread::get_id());
}

TEST_F(SideThreadTest, WaitsNoLongerThanItsLimitAndForItsTurn) {
    SideThread side(io.get_executor());
    const auto gate = std::make_shared<std::promise<void>>();
    const std::function<void()> hangs = [wait = gate->get_future().share()] { wait.wait(); };
    EXPECT_EQ(run_task(io, side.run(hangs, 20ms)), End::late);
    const auto ran = std::make_shared<int>(0);
    const std::function<void()> counts = [ran] { ++*ran; };
    EXPECT_EQ(run_task(io, side.run(counts, 20ms)), End::not_begun);
    EXPECT_EQ(*ran, 0);
    gate->set_value();
    EXPECT_EQ(run_task(io, side.run(counts, 10s)), End::done);
    EXPECT_EQ(*ran, 1);
}

TEST_F(SideThreadTest, MayGoBeforeWhatHangs) {
    const auto gate = std::make_shared<std::promise<void>>();
    const auto through = std::make_shared<std::promise<void>>();
    {
        SideThread side(io.get_executor());
        const std::function<void()> hangs = [wait = gate->get_future().share(), through] {
            wait.wait();
            through->set_value();
        };
        EXPECT_EQ(run_task(io, side.run(hangs, 20ms)), End::late);
    }
    gate->set_value();
    through->get_future().wait();
}

}  // namespace
}  // namespace zrepd::metrics
