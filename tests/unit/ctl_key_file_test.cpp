// SPDX-License-Identifier: BSD-2-Clause
// authorized_keys is replaced whole or not at all, and never through a link.
#include "ctl/key_file.hpp"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fakes/temp_folder.hpp"

namespace zrepd::ctl {
namespace {

namespace fs = std::filesystem;

class Keys : public ::testing::Test {
  protected:
    Keys() {
        account.name = "zrep";
        account.uid = ::geteuid();
        account.home = temp.path / "home";
    }
    void make(const std::string& text, mode_t mode = 0644) const {
        fs::create_directories(folder);
        ::chmod((temp.path / "home").c_str(), 0755);
        ::chmod(folder.c_str(), 0755);
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
    }
    static std::string read(const fs::path& path) {
        std::ostringstream out;
        out << std::ifstream(path).rdbuf();
        return out.str();
    }
    static mode_t mode_of(const fs::path& path) {
        struct stat status {};
        EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
        return status.st_mode & 07777;
    }
    std::string why_not() {
        const auto keys = KeyFile::open(account);
        return keys ? "" : keys.error().text() + "; " + keys.error().remedy;
    }

    test::TempFolder temp;
    fs::path folder = temp.path / "home/.ssh";
    fs::path file = folder / "authorized_keys";
    Account account;
};

TEST_F(Keys, AreMadeWithWhatIsMissingReadableForSshdWhateverTheUmask) {
    const mode_t before = ::umask(0077);
    {
        auto keys = KeyFile::open(account);
        ASSERT_TRUE(keys);
        EXPECT_EQ(keys->text(), "");
        EXPECT_FALSE(fs::exists(account.home)) << "reading makes nothing";
        ASSERT_TRUE(keys->replace("one\n"));
    }
    ::umask(before);
    EXPECT_EQ(read(file), "one\n");
    EXPECT_EQ(mode_of(file), 0644U);
    EXPECT_EQ(mode_of(folder), 0755U);
    EXPECT_EQ(mode_of(account.home), 0755U);
}

TEST_F(Keys, KeepModeAndOwnerAndLeaveNothingBeside) {
    make("old\n", 0600);
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown(file.c_str(), 4711, 4712), 0);
        account.uid = 4711;
    }
    auto keys = KeyFile::open(account);
    ASSERT_TRUE(keys) << keys.error().text();
    EXPECT_EQ(keys->text(), "old\n");
    ASSERT_TRUE(keys->replace("new\n"));
    EXPECT_EQ(read(file), "new\n");
    EXPECT_EQ(mode_of(file), 0600U);
    struct stat status {};
    ::stat(file.c_str(), &status);
    EXPECT_EQ(status.st_uid, account.uid);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(Keys, FollowNoLink) {
    make("old\n");
    fs::rename(file, folder / "elsewhere");
    fs::create_symlink("elsewhere", file);
    EXPECT_NE(why_not().find("a link there is not followed"), std::string::npos) << why_not();
    fs::remove(file);
    fs::create_hard_link(folder / "elsewhere", file);
    EXPECT_NE(why_not().find("no file of its own"), std::string::npos) << why_not();
    fs::rename(folder, temp.path / "moved");
    fs::create_directory_symlink(temp.path / "moved", folder);
    EXPECT_NE(why_not().find("a link there is not followed"), std::string::npos) << why_not();
    EXPECT_EQ(read(temp.path / "moved/elsewhere"), "old\n");
}

TEST_F(Keys, AreNotTakenWhereOthersCouldWriteThem) {
    make("old\n", 0664);
    EXPECT_NE(why_not().find("chmod go-w"), std::string::npos) << why_not();
    ::chmod(file.c_str(), 0644);
    ::chmod(folder.c_str(), 0777);
    EXPECT_NE(why_not().find("others may write"), std::string::npos) << why_not();
    ::chmod(folder.c_str(), 0755);
    ::chmod(account.home.c_str(), 0775);
    EXPECT_NE(why_not().find("others may write"), std::string::npos) << why_not();
    ::chmod(account.home.c_str(), 0755);
    EXPECT_EQ(why_not(), "");
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown(file.c_str(), 4711, 0), 0);
    EXPECT_NE(why_not().find("neither root nor the user"), std::string::npos) << why_not();
}

TEST_F(Keys, AreNoFifoAndNotWithoutEnd) {
    make("");
    fs::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0644), 0);
    EXPECT_NE(why_not().find("no file of its own"), std::string::npos) << why_not();
    fs::remove(file);
    make(std::string(kMaxAuthorizedKeys + 1, '#'));
    EXPECT_NE(why_not().find("larger than 1 MiB"), std::string::npos) << why_not();
}

TEST_F(Keys, TwoWritersDoNotLoseEachOthersLines) {
    make("old\n");
    auto first = KeyFile::open(account);
    ASSERT_TRUE(first);
    const int other = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
    EXPECT_NE(::flock(other, LOCK_EX | LOCK_NB), 0) << "the first holds it";
    ::close(other);
    {
        // From nothing: who comes second sees that he is.
        Account fresh = account;
        fresh.home = temp.path / "fresh";
        auto one = KeyFile::open(fresh);
        auto two = KeyFile::open(fresh);
        ASSERT_TRUE(one && two);
        {
            KeyFile ends = std::move(*one);
            ASSERT_TRUE(ends.replace("one\n"));
        }
        const auto late = two->replace("two\n");
        ASSERT_FALSE(late);
        EXPECT_EQ(late.error().code, Code::busy);
        EXPECT_EQ(read(temp.path / "fresh/.ssh/authorized_keys"), "one\n");
    }
}

TEST_F(Keys, APublicKeysFileEnds) {
    EXPECT_FALSE(read_public_key_file("/dev/zero"));
    EXPECT_FALSE(read_public_key_file(temp.path));
    EXPECT_FALSE(read_public_key_file(temp.path / "none"));
    const fs::path path = temp.path / "key.pub";
    std::ofstream(path) << std::string(kMaxPublicKeyFile + 1, 'x');
    EXPECT_EQ(read_public_key_file(path).error().code, Code::invalid_params);
    ASSERT_EQ(::mkfifo((temp.path / "fifo").c_str(), 0600), 0);
    EXPECT_FALSE(read_public_key_file(temp.path / "fifo"));
}

TEST(Account, SaysWhoMayUseASocket) {
    struct stat socket {};
    socket.st_uid = 10;
    socket.st_gid = 20;
    socket.st_mode = S_IFSOCK | 0660;
    Account account;
    for (const auto& [uid, group, may] : {std::tuple<uid_t, gid_t, bool>{0, 0, true},
                                          {10, 30, true},
                                          {11, 20, true},
                                          {11, 30, false}}) {
        account.uid = uid;
        account.groups = {group};
        EXPECT_EQ(may_connect(account, socket), may) << uid << ":" << group;
    }
}

TEST(Account, NeedsAShellAndAHome) {
    Account account;
    account.name = "zrep";
    account.home = "/var/lib/zrep";
    account.shell = "/bin/sh";
    EXPECT_TRUE(check_login(account));
    account.shell = "/usr/sbin/nologin";
    EXPECT_FALSE(check_login(account));
    account.shell = "/bin/sh";
    account.home = "/";
    EXPECT_FALSE(check_login(account));
    EXPECT_EQ(find_account("no such user").error().code, Code::not_found);
}

}  // namespace
}  // namespace zrepd::ctl
