// SPDX-License-Identifier: BSD-2-Clause
// Samples captured from OpenSSH 9.2 unless said otherwise.
#include "daemon/peer/ssh_errors.hpp"

#include <gtest/gtest.h>

#include "daemon/peer/ssh_transport.hpp"

namespace zrepd::peer {
namespace {

struct Sample {
    const char* name;
    std::optional<int> status;
    const char* text;
    Code code;
    const char* message_has;
    const char* remedy_has;
};

const Sample kSamples[] = {
    {"unknown host",
     255,
     "ssh: Could not resolve hostname beta: Name or service not known\r\n",
     Code::unknown_host,
     "does not resolve",
     "getent hosts beta"},
    {"no such name, temporarily",
     255,
     "ssh: Could not resolve hostname beta: Temporary failure in name resolution\r\n",
     Code::unknown_host,
     "beta",
     "getent"},
    {"refused",
     255,
     "ssh: connect to host beta port 22: Connection refused\r\n",
     Code::peer_unreachable,
     "Connection refused",
     "start sshd"},
    {"timed out",
     255,
     "ssh: connect to host beta port 22: Connection timed out\r\n",
     Code::peer_unreachable,
     "Connection timed out",
     "ssh beta true </dev/null"},
    {"banner",
     255,
     "Connection timed out during banner exchange\r\nConnection to 10.255.255.1 port 22 timed "
     "out\r\n",
     Code::peer_unreachable,
     "banner exchange",
     "ssh beta true </dev/null"},
    {"no route",
     255,
     "ssh: connect to host beta port 22: No route to host\r\n",
     Code::peer_unreachable,
     "No route to host",
     "ssh beta true </dev/null"},
    {"no network",
     255,
     "ssh: connect to host beta port 22: Network is unreachable\r\n",
     Code::peer_unreachable,
     "Network is unreachable",
     "ssh beta true </dev/null"},
    {"keepalive",
     255,
     "Timeout, server beta not responding.\r\n",
     Code::peer_unreachable,
     "stopped answering",
     "ssh beta true </dev/null"},
    {"no key",
     255,
     "root@beta: Permission denied (publickey).\r\n",
     Code::peer_auth,
     "Permission denied",
     "ssh-copy-id beta"},
    {"forced command is shown",
     255,
     "root@beta: Permission denied (publickey,password).\r\n",
     Code::peer_auth,
     "refused",
     "zrepctl peer --as alpha"},
    {"too many keys",
     255,
     "Received disconnect from 10.0.0.2 port 22:2: Too many authentication failures\r\n"
     "Disconnected from 10.0.0.2 port 22\r\n",
     Code::peer_auth,
     "more were offered",
     "IdentitiesOnly"},
    {"key changed",
     255,
     "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n"
     "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
     "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r\n"
     "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\n"
     "Host key for beta has changed and you have requested strict checking.\r\n"
     "Host key verification failed.\r\n",
     Code::peer_host_key,
     "not the one this host knows",
     "ssh-keygen -R beta"},
    {"key unknown",
     255,
     "Host key verification failed.\r\n",
     Code::peer_host_key,
     "does not know the ssh host key",
     "ssh beta true </dev/null"},
    {"no common cipher",
     255,
     "Unable to negotiate with 10.0.0.2 port 22: no matching host key type found. Their offer: "
     "ssh-rsa\r\n",
     Code::peer_unreachable,
     "in common",
     "upgrade"},
    {"no zrepctl",
     127,
     "bash: zrepctl: command not found\r\n",
     Code::peer_no_zrepd,
     "not installed on beta",
     "install zrepd on beta"},
    {"no zrepctl, dash",
     127,
     "sh: 1: zrepctl: not found\n",
     Code::peer_no_zrepd,
     "beta",
     "</dev/null"},
    {"not executable",
     126,
     "bash: line 1: /usr/bin/zrepctl: Permission denied\n",
     Code::peer_no_zrepd,
     "cannot be run",
     "ssh beta zrepctl version </dev/null"},
    {"no daemon",
     3,
     "zrepctl peer: zrepd is not running here: /run/zrepd/peer.sock: No such file or directory\n",
     Code::peer_no_zrepd,
     "not running on beta",
     "systemctl start zrepd"},
    {"no permission",
     5,
     "zrepctl peer: no permission to use /run/zrepd/peer.sock\n",
     Code::access_denied,
     "may not use",
     "group zrepd"},
    {"old zrepctl",
     2,
     "zrepctl: unknown command peer\n",
     Code::peer_protocol,
     "does not know",
     "upgrade zrepd on beta"},
    {"unknown text keeps the last line",
     255,
     "something new\nand more of it\n",
     Code::peer_unreachable,
     "and more of it",
     "journalctl"},
    {"nothing said", std::nullopt, "", Code::peer_unreachable, "ended", "journalctl"},
    {"closed in peace",
     0,
     "",
     Code::peer_unreachable,
     "zrepd on beta ended the connection",
     "systemctl status zrepd"},
};

TEST(SshErrors, TellsEachFailureFromTheOthersWithItsRemedy) {
    for (const Sample& sample : kSamples) {
        SCOPED_TRACE(sample.name);
        const Error error = translate_ssh_failure("beta", "alpha", "", sample.status, sample.text);
        EXPECT_EQ(info(error.code).name, info(sample.code).name);
        EXPECT_NE(error.message.find(sample.message_has), std::string::npos) << error.message;
        EXPECT_NE(error.remedy.find(sample.remedy_has), std::string::npos) << error.remedy;
        EXPECT_EQ(error.message.find('{'), std::string::npos) << error.message;
        EXPECT_EQ(error.remedy.find('{'), std::string::npos) << error.remedy;
        EXPECT_EQ(error.message.find('\r'), std::string::npos);
    }
}

TEST(SshErrors, NameWhoWasToBeLoggedInAndTheHostOfEachCommand) {
    const auto said = [](const char* user, int status, const char* text) {
        return translate_ssh_failure("beta", "alpha", user, status, text).remedy;
    };
    const char* refused = "x@beta: Permission denied (publickey).\r\n";
    EXPECT_TRUE(
        said("", 255, refused).starts_with("on alpha, as root: `zrepctl authorize beta --ask`"));
    EXPECT_EQ(said("zrep", 255, refused), said("", 255, refused));
    EXPECT_TRUE(said("backup", 255, refused)
                    .starts_with("on beta run `zrepctl authorize alpha --user backup --key FILE`"));
    const char* unknown = "Host key verification failed.\r\n";
    EXPECT_NE(said("", 255, unknown).find("`ssh beta true </dev/null`"), std::string::npos);
    EXPECT_NE(said("zrep", 255, unknown).find("`ssh zrep@beta true </dev/null`"),
              std::string::npos);
    // zrep must not get into the group that may operate pairs.
    EXPECT_EQ(said("zrep", 5, "").find("group"), std::string::npos) << said("zrep", 5, "");
    EXPECT_NE(said("", 5, "").find("group zrepd"), std::string::npos);
}

std::string joined(Purpose purpose, const std::string& control_path) {
    SshOptions options;
    options.user = "root";
    std::string out;
    for (const auto& word : SshTransport::command(
             options, control_path, *HostName::parse("alpha"), *HostName::parse("beta"), purpose)) {
        out += word + " ";
    }
    return out;
}

TEST(SshCommand, EndsWithTheHostBehindDashesAndOurOwnWords) {
    const std::string line = joined(Purpose::session, "/run/zrepd/ssh/1-1");
    EXPECT_TRUE(line.ends_with("-- beta zrepctl peer --as alpha --unrestricted ")) << line;
}
TEST(SshCommand, MakesTheSessionTheMasterAndStreamsItsGuests) {
    const std::string session = joined(Purpose::session, "/run/zrepd/ssh/1-1");
    const std::string stream = joined(Purpose::stream, "/run/zrepd/ssh/1-1");
    EXPECT_NE(session.find("ControlMaster=yes -o ControlPath=/run/zrepd/ssh/1-1 "), session.npos);
    EXPECT_NE(stream.find("ControlMaster=no -o ControlPath=/run/zrepd/ssh/1-1 "), stream.npos);
    EXPECT_NE(joined(Purpose::stream, "").find("ControlPath=none "), stream.npos);
}
TEST(SshCommand, LeavesNothingBehindAndNeverAsks) {
    const std::string line = joined(Purpose::session, "/x");
    EXPECT_NE(line.find("ControlPersist=no"), line.npos);
    EXPECT_NE(line.find("-o StrictHostKeyChecking=yes"), line.npos);
    EXPECT_NE(line.find("BatchMode=yes"), line.npos);
    EXPECT_NE(line.find("ClearAllForwardings=yes"), line.npos);
}

}  // namespace
}  // namespace zrepd::peer
