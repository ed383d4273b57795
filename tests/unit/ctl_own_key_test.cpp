// SPDX-License-Identifier: BSD-2-Clause
// The key that ssh would offer, made where there is none: with the real ssh and ssh-keygen, in a
// folder of the test's.
#include "ctl/own_key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ctl/probe.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::chrono::seconds kToolLimit{20};

class OwnKeys : public ::testing::Test {
  protected:
    OwnKeyWish wish(bool dry_run = false) const {
        return {.peer = *HostName::parse("beta"),
                .ssh_config = temp.path / "config",
                .home = temp.path,
                .comment = "root@alpha",
                .dry_run = dry_run};
    }
    void configure(const std::string& text) const { std::ofstream(temp.path / "config") << text; }
    void make(const std::string& name, const std::string& passphrase) const {
        const auto made = probe({"ssh-keygen",
                                 "-q",
                                 "-t",
                                 "ed25519",
                                 "-N",
                                 passphrase,
                                 "-C",
                                 "mine",
                                 "-f",
                                 temp.path / name},
                                kToolLimit);
        EXPECT_TRUE(made.fine()) << made.text;
    }
    std::string named(const std::string& name) const {
        return "IdentityFile " + (temp.path / name).string() + "\n";
    }

    test::TempFolder temp;
};

TEST_F(OwnKeys, MakesOneForThisHostWhereThereIsNone) {
    configure(named("id_rsa") + named("id_ed25519"));
    const auto dry = own_key(wish(/*dry_run=*/true));
    ASSERT_TRUE(dry) << dry.error().text();
    EXPECT_TRUE(dry->made);
    EXPECT_EQ(dry->path, temp.path / "id_ed25519");
    EXPECT_FALSE(std::filesystem::exists(dry->path));
    const auto made = own_key(wish());
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_TRUE(made->made);
    EXPECT_EQ(made->path, dry->path);
    EXPECT_EQ(made->key.type, "ssh-ed25519");
    EXPECT_EQ(made->key.comment, "root@alpha");
    struct stat status {};
    ASSERT_EQ(::stat(made->path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    const auto again = own_key(wish());
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->made);
    EXPECT_EQ(again->key.blob, made->key.blob);
}
TEST_F(OwnKeys, TakesTheFirstThatSshCanUseWhateverItsPubFileSays) {
    make("locked", "secret words");
    make("open", "");
    std::ofstream(temp.path / "open.pub") << "ssh-ed25519 of another one\n";
    configure("Host beta\n" + named("absent") + named("locked") + named("open"));
    const auto key = own_key(wish());
    ASSERT_TRUE(key) << key.error().text();
    EXPECT_EQ(key->path, temp.path / "open");
    EXPECT_FALSE(key->made);
    EXPECT_EQ(key->key.comment, "mine");
}
TEST_F(OwnKeys, MakesNoneBesideOneThatItCannotUse) {
    make("id_ed25519", "secret words");
    configure(named("id_rsa") + named("id_ed25519"));
    const auto key = own_key(wish());
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, Code::refused);
    EXPECT_NE(key.error().message.find("incorrect passphrase"), std::string::npos)
        << key.error().message;
    EXPECT_NE(key.error().remedy.find("IdentityFile"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(temp.path / "id_rsa"));
}
TEST_F(OwnKeys, MakesNoneWhereOnlyThePublicHalfIs) {
    const auto half = temp.path / "id_ed25519.pub";
    std::ofstream(half) << "of an agent's key\n";
    configure(named("id_ed25519"));
    const auto key = own_key(wish());
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("its private key is not"), std::string::npos);
    EXPECT_NE(key.error().remedy.find(temp.path / "config"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(half), 18U) << "as it was";
}
TEST_F(OwnKeys, MakesNoneUnderANameThatSshReadsOtherwise) {
    for (const char* name : {"id_%h", "${HOME}/id"}) {
        configure(named(name));
        const auto key = own_key(wish());
        ASSERT_FALSE(key) << name;
        EXPECT_NE(key.error().message.find("cannot tell which file"), std::string::npos)
            << key.error().message;
    }
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(temp.path), {}), 1);
}
TEST_F(OwnKeys, AreThoseThatSshOffersAsZrep) {
    make("roots", "");
    make("zreps", "");
    configure("Match user root\n" + named("roots") + "Match user zrep\n" + named("zreps"));
    const auto key = own_key(wish());
    ASSERT_TRUE(key) << key.error().text();
    EXPECT_EQ(key->path, temp.path / "zreps");
}
TEST_F(OwnKeys, SaysWhyOneCannotBeUsed) {
    make("id_ed25519", "");
    ::chmod((temp.path / "id_ed25519").c_str(), 0644);
    configure(named("id_ed25519"));
    const auto key = own_key(wish());
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("too open"), std::string::npos) << key.error().message;
}
TEST_F(OwnKeys, SaysWhatSshSaysOfItsConfiguration) {
    configure("Nonsense yes\n");
    const auto key = own_key(wish());
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("configuration option: nonsense"), std::string::npos)
        << key.error().message;
}
TEST_F(OwnKeys, SaysWhereItCannotMakeOne) {
    configure(named("no/such/folder/id_ed25519"));
    const auto key = own_key(wish());
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().message.find("ssh-keygen failed"), std::string::npos)
        << key.error().message;
}

TEST(IdentityFiles, AreThoseOfSshInItsOrder) {
    const std::vector<std::string> expected{"/root/.ssh/id_rsa", "/root/k", "/etc/key", "id_%h"};
    EXPECT_EQ(identity_files("user root\nidentityfile ~/.ssh/id_rsa\nidentityfile %d/k\n"
                             "identityfile /etc/key\nidentityfile id_%h\nidentityfile none\n"
                             "identityfilex /y\n",
                             "/root"),
              expected);
    EXPECT_TRUE(identity_files("", "/root").empty());
}

TEST(KeyText, LeavesACommentOutThatAShellWouldRead) {
    PublicKey key{.type = "ssh-ed25519", .blob = "AAAA", .comment = "root@alpha"};
    EXPECT_EQ(key_text(key), "ssh-ed25519 AAAA root@alpha");
    for (const char* comment : {"it's", "a b", "$(reboot)", "\n", ""}) {
        key.comment = comment;
        EXPECT_EQ(key_text(key), "ssh-ed25519 AAAA") << comment;
    }
}

}  // namespace
}  // namespace zrepd::ctl
