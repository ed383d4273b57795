// SPDX-License-Identifier: BSD-2-Clause
// The settings file: what cannot be read is never taken for an empty one.
#include "daemon/config/config.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fakes/temp_folder.hpp"

namespace zrepd::config {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public ::testing::Test {
  protected:
    Result<CommandLine> read_text(const std::string& text) const {
        std::ofstream(folder / "zrepd.conf") << text;
        return read({"--config", folder / "zrepd.conf"}, "alpha");
    }

    test::TempFolder temp;
    fs::path folder = temp.path;
};

TEST_F(ConfigTest, TakesSettingsFromTheFile) {
    const auto out = read_text("# ours\nstreams = 2\nlog-level = debug\n");
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->config.streams, 2U);
    EXPECT_EQ(out->config.log_level, "debug");
}

TEST_F(ConfigTest, AnEmptyFileIsFine) {
    EXPECT_TRUE(read_text(""));
}

TEST_F(ConfigTest, ADirectoryIsNoSettingsFile) {
    const auto out = read({"--config", folder});
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::io_error);
    EXPECT_NE(out.error().message.find(folder), std::string::npos);
}

TEST_F(ConfigTest, AFileThatCannotBeOpenedIsAnError) {
    // A link to itself: not even root can open it.
    fs::create_symlink("loop", folder / "loop");
    const auto out = read({"--config", folder / "loop"});
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::io_error);
}

TEST_F(ConfigTest, AMissingFileThatWasNamedIsAnError) {
    const auto out = read({"--config", folder / "nothing"});
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::not_found);
}

TEST_F(ConfigTest, AWrongLineIsNamed) {
    const auto out = read_text("streams = 2\nstreams = 9\n");
    ASSERT_FALSE(out);
    EXPECT_NE(out.error().text().find("zrepd.conf:2"), std::string::npos) << out.error().text();
}

TEST_F(ConfigTest, AWrongLineIsShownWithoutWhatSteersATerminal) {
    for (const char* line : {"\x1b[2J = 1\n", "a\xff = 1\n", "b\xe2\x80\xae = 1\n"}) {
        const auto out = read_text(line);
        ASSERT_FALSE(out);
        EXPECT_NE(out.error().text().find("?"), std::string::npos) << out.error().text();
        EXPECT_EQ(out.error().text().find_first_of("\x1b\xff\xe2"), std::string::npos);
    }
}

TEST_F(ConfigTest, AnSshConfigurationThatIsNotThereIsAnError) {
    const auto out = read_text("ssh-config = " + (folder / "ssh_config").string() + "\n");
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::invalid_params);
    EXPECT_NE(out.error().text().find("zrepd.conf:1: ssh-config: "), std::string::npos);
    EXPECT_FALSE(read_text("ssh-config = " + folder.string() + "\n")) << "a directory";
    std::ofstream(folder / "ssh_config") << "Host beta\n";
    EXPECT_TRUE(read_text("ssh-config = " + (folder / "ssh_config").string() + "\n"));
}

TEST_F(ConfigTest, AHooksFolderThatIsNotThereIsAnErrorWhereItIsSet) {
    const auto out = read_text("hooks-dir = " + (folder / "hooks").string() + "\n");
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::invalid_params);
    EXPECT_NE(out.error().text().find("zrepd.conf:1: hooks-dir: "), std::string::npos);
    EXPECT_FALSE(read_text("hooks-dir = hooks\n")) << "a relative path";
    fs::create_directory(folder / "hooks");
    const auto set = read_text("hooks-dir = " + (folder / "hooks").string() + "\n");
    ASSERT_TRUE(set) << set.error().text();
    EXPECT_EQ(set->config.hooks_dir, folder / "hooks");
    EXPECT_EQ(read_text("").value().config.hooks_dir, kDefaultHooksDir);
}

TEST_F(ConfigTest, AHookHasBetweenASecondAndAnHour) {
    using std::chrono::seconds;
    EXPECT_EQ(read_text("").value().config.hook_timeout, seconds(60));
    EXPECT_EQ(read_text("hook-timeout = 1s\n").value().config.hook_timeout, seconds(1));
    EXPECT_EQ(read_text("hook-timeout = 1h\n").value().config.hook_timeout, seconds(3600));
    for (const char* wrong : {"0s", "2h", "soon", ""}) {
        EXPECT_FALSE(read_text(std::string("hook-timeout = ") + wrong + "\n")) << wrong;
    }
}

TEST_F(ConfigTest, LeasesHaveATimeAndPerhapsAWitness) {
    using std::chrono::seconds;
    EXPECT_EQ(read_text("").value().config.lease_time, seconds(20));
    EXPECT_EQ(read_text("lease-time = 5s\n").value().config.lease_time, seconds(5));
    EXPECT_EQ(read_text("lease-time = 10m\n").value().config.lease_time, seconds(600));
    for (const char* wrong : {"4s", "11m", "soon", ""}) {
        EXPECT_FALSE(read_text(std::string("lease-time = ") + wrong + "\n")) << wrong;
    }
    EXPECT_EQ(read_text("").value().config.witness, "");
    EXPECT_EQ(read_text("witness = /mnt/witness\n").value().config.witness, "/mnt/witness");
    for (const char* wrong : {"witness", "", "/mnt/my witness"}) {
        EXPECT_FALSE(read_text(std::string("witness = ") + wrong + "\n")) << wrong;
    }
}

TEST_F(ConfigTest, MetricsAreServedOnThisHostAlone) {
    EXPECT_FALSE(read_text("").value().config.metrics_listen);
    for (const char* right : {"/run/zrepd/metrics.sock", "127.0.0.1:9820", "[::1]:65535"}) {
        const auto out = read_text(std::string("metrics-listen = ") + right + "\n");
        ASSERT_TRUE(out) << right << ": " << out.error().text();
        EXPECT_EQ(out->config.metrics_listen.value().text(), right);
    }
    EXPECT_EQ(read_text("metrics-listen = [::1]:80\n")->config.metrics_listen->host, "::1");
    const std::string long_path = "/" + std::string(107, 'x');
    for (const std::string& wrong : {std::string("0.0.0.0:9820"),
                                     std::string("192.168.1.1:9820"),
                                     std::string("[::]:9820"),
                                     std::string("::1:9820"),
                                     std::string("localhost:9820"),
                                     std::string(":9820"),
                                     std::string("9820"),
                                     std::string("127.0.0.1"),
                                     std::string("127.0.0.1:0"),
                                     std::string("127.0.0.1:65536"),
                                     std::string("127.0.0.1:http"),
                                     std::string("metrics.sock"),
                                     std::string("/run/zrepd/"),
                                     std::string(),
                                     long_path}) {
        const auto out = read_text("metrics-listen = " + wrong + "\n");
        ASSERT_FALSE(out) << wrong;
        EXPECT_NE(out.error().text().find("zrepd.conf:1: metrics-listen: "), std::string::npos);
        EXPECT_NE(out.error().text().find("127.0.0.1:PORT"), std::string::npos);
    }
    EXPECT_NE(read_text("metrics-listen = 10.0.0.1:80\n").error().text().find("only this host"),
              std::string::npos);
}

TEST_F(ConfigTest, AMetricsFileIsOneThatNodeExporterReads) {
    EXPECT_EQ(read_text("").value().config.metrics_file, "");
    EXPECT_EQ(read_text("metrics-file = /srv/x/zrepd.prom\n").value().config.metrics_file,
              "/srv/x/zrepd.prom");
    for (const char* wrong : {"zrepd.prom", "/srv/zrepd.txt", "/srv/.prom", ""}) {
        EXPECT_FALSE(read_text(std::string("metrics-file = ") + wrong + "\n")) << wrong;
    }
}

TEST_F(ConfigTest, IsCalledWhatTheSystemSaysWithoutItsDomain) {
    const auto out = read({}, "Alpha.example.org");
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->config.host.str(), "alpha");
}

TEST_F(ConfigTest, ASystemNameThatPairsCannotStoreIsAnErrorUntilASettingGivesAnother) {
    for (const char* name : {"db_1", "", "-x"}) {
        const auto out = read({"--check-config"}, name);
        ASSERT_FALSE(out) << name;
        EXPECT_EQ(out.error().code, Code::invalid_params);
        EXPECT_NE(out.error().remedy.find("host-name = NAME"), std::string::npos);
    }
    std::ofstream(folder / "zrepd.conf") << "host-name = db1\n";
    const auto set = read({"--config", folder / "zrepd.conf"}, "db_1");
    ASSERT_TRUE(set) << set.error().text();
    EXPECT_EQ(set->config.host.str(), "db1");
    EXPECT_EQ(read({"--host-name", "db2"}, "db_1").value().config.host.str(), "db2");
    EXPECT_TRUE(read({"--help"}, "db_1"));
    // The service starts with it: the settings are the next command's to complain of.
    const auto mounts = read({"--hand-over-mounts"}, "db_1");
    ASSERT_TRUE(mounts);
    EXPECT_EQ(mounts->action, CommandLine::Action::hand_over_mounts);
}

TEST_F(ConfigTest, ASystemCalledLocalhostNeedsASettingBecauseBothSidesWouldStoreThatName) {
    std::ofstream(folder / "zrepd.conf") << "streams = 2\n";
    const std::string file = (folder / "zrepd.conf").string();
    for (const char* name : {"localhost", "LOCALHOST", "localhost.localdomain"}) {
        for (const std::vector<std::string>& more :
             {std::vector<std::string>{}, {"--check-config"}}) {
            std::vector<std::string> words{"--config", file};
            words.insert(words.end(), more.begin(), more.end());
            const auto out = read(words, name);
            ASSERT_FALSE(out) << name;
            EXPECT_EQ(out.error().code, Code::invalid_params);
            EXPECT_NE(out.error().message.find("localhost"), std::string::npos);
            EXPECT_NE(out.error().message.find("both hosts"), std::string::npos);
            EXPECT_NE(out.error().remedy.find("host-name = NAME in " + file), std::string::npos);
            EXPECT_NE(out.error().remedy.find("hostnamectl set-hostname NAME"), std::string::npos);
        }
    }
    EXPECT_EQ(read({"--config", file, "--host-name", "db1"}, "localhost").value().config.host.str(),
              "db1");
    EXPECT_TRUE(read({"--help"}, "localhost"));
}

TEST_F(ConfigTest, NoHostMayBeCalledLocalhostBySetting) {
    for (const char* name : {"localhost", "LocalHost.localdomain"}) {
        const auto out = read_text(std::string("host-name = ") + name + "\n");
        ASSERT_FALSE(out) << name;
        EXPECT_NE(out.error().text().find("zrepd.conf:1: host-name: "), std::string::npos);
    }
}

}  // namespace
}  // namespace zrepd::config
