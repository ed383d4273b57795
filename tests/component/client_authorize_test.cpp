// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl authorize --ask` from its command line to its exit status, with the real ssh and
// ssh-keygen; no file outside the test's folder is read or made.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ctl/client.hpp"
#include "ctl/dispatch.hpp"
#include "daemon/log.hpp"
#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::ctl {
namespace {

class Asking : public testing::Test {
  protected:
    Asking() {
        log::set_level("critical");
        std::ofstream(config) << "IdentityFile " << (folder.path / "key").string() << "\n";
    }
    ~Asking() override { log::set_level("info"); }

    int authorize(std::vector<std::string> words) {
        std::vector<std::string> all{"--socket", daemon.socket(), "authorize"};
        all.insert(all.end(), words.begin(), words.end());
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const int status = dispatch(std::move(all));
        out = testing::internal::GetCapturedStdout();
        err = testing::internal::GetCapturedStderr();
        return status;
    }
    int ask(std::vector<std::string> more) {
        more.insert(more.begin(), {"gamma", "--ask", "--ssh-config", config.string()});
        return authorize(std::move(more));
    }

    test::TempFolder folder;
    std::filesystem::path config = folder.path / "it's a config";
    fake::FakeDaemon daemon;
    std::string us = Client::connect(daemon.socket(), /*read_only=*/true)->hello().host;
    std::string out, err;
};

TEST_F(Asking, PrintsWhatLetsThisHostIn) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root reads root's key";
    EXPECT_EQ(ask({"--dry-run"}), 0) << err;
    EXPECT_EQ(out,
              "would make a key: " + (folder.path / "key").string() +
                  "\nwould print what to run on gamma\n");
    EXPECT_EQ(ask({"--dry-run", "--json"}), 0) << err;
    EXPECT_FALSE(Json::parse(out).contains("run_there"));
    EXPECT_FALSE(std::filesystem::exists(folder.path / "key"));
    EXPECT_EQ(ask({"--under", "backup/of alpha"}), 0) << err;
    EXPECT_TRUE(out.starts_with("made a key: " + (folder.path / "key").string() +
                                "\non gamma, as root: zrepctl authorize " + us +
                                " --under 'backup/of alpha' --key 'ssh-ed25519 AAAA"))
        << out;
    EXPECT_NE(out.find(" root@" + us + "'\nthen here, as root: ssh -F "), std::string::npos) << out;
    EXPECT_NE(out.find("/it'\\''s a config' zrep@gamma true </dev/null    # "), std::string::npos)
        << out;
    EXPECT_EQ(ask({"--json"}), 0) << err;
    const Json said = Json::parse(out);
    EXPECT_EQ(said["made"], false);
    EXPECT_EQ(said["key_file"], (folder.path / "key").string());
    EXPECT_TRUE(said["run_there"].get<std::string>().starts_with("zrepctl authorize " + us +
                                                                 " --key 'ssh-ed25519 "));
}
TEST_F(Asking, RefusesWhatDoesNotGoWithIt) {
    const std::vector<std::vector<std::string>> mistakes{
        {"gamma", "--ask", "--key", "-"},
        {"gamma", "--ask", "--revoke"},
        {"gamma", "--ask", "--user", "root"},
        {"gamma", "--ask", "--under", "/x"},
        {"localhost", "--ask"},
        {"-oProxyCommand=x", "--ask"},
        {"gamma", "--key", "-", "--ssh-config", config.string()}};
    for (const auto& words : mistakes) {
        EXPECT_EQ(authorize(words), 2) << out << err;
        EXPECT_EQ(out, "");
    }
    EXPECT_NE(authorize({us, "--ask"}), 0);
    EXPECT_NE(err.find(us + " is this host"), std::string::npos) << err;
    EXPECT_FALSE(std::filesystem::exists(folder.path / "key"));
}

}  // namespace
}  // namespace zrepd::ctl
