// SPDX-License-Identifier: BSD-2-Clause
// The daemon's beginning, where it can go wrong before it serves anybody.
#include "daemon/app.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

namespace fs = std::filesystem;

class AppTest : public ::testing::Test {
  protected:
    static Result<void> run_in(const fs::path& runtime) {
        return App({.runtime_dir = runtime, .host = *HostName::parse("alpha")}).run();
    }

    test::TempFolder temp;
    fs::path folder = temp.path;
};

TEST_F(AppTest, ANameThatIsTakenIsAnErrorNotACrash) {
    std::ofstream(folder / "zrepd.sock") << "mine";
    const auto ended = run_in(folder);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::io_error);
    EXPECT_NE(ended.error().message.find("no socket"), std::string::npos) << ended.error().text();
    EXPECT_FALSE(fs::exists(folder / "peer.sock"));
}

TEST_F(AppTest, ARuntimeDirectoryTooLongForASocketIsAnErrorNotACrash) {
    // Room for peer.sock, but not for the longer name of the readers' socket.
    const fs::path longest = folder / std::string(95 - folder.native().size() - 1, 'r');
    const auto ended = run_in(longest);
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::io_error);
    EXPECT_NE(ended.error().text().find("zrepd"), std::string::npos) << ended.error().text();
    EXPECT_FALSE(fs::exists(longest / "zrepd.sock"));
}

}  // namespace
}  // namespace zrepd
