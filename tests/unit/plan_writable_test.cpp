// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/writable.hpp"

#include <gtest/gtest.h>

#include "daemon/zfs/parse_mounts.hpp"

namespace zrepd {
namespace {

using Places = std::map<std::string, std::string, std::less<>>;

std::string line(const std::string& place,
                 const std::string& options,
                 const std::string& source,
                 const std::string& of_all) {
    return "36 25 0:33 / " + place + " " + options + " shared:1 master:2 - " + source + " " +
           of_all + "\n";
}

TEST(MountTable, ReadsWhatIsMountedWhereAndHow) {
    const auto found =
        parse::mounts("22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" +
                      line("/srv/a\\040b\\134", "ro,nosuid", "zfs tank/a\\040b", "rw,xattr") +
                      "no mount at all\n36 25 0:33 / /x rw - \n\n");
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].place, "/");
    EXPECT_EQ(found[0].type, "ext4");
    EXPECT_FALSE(found[0].readonly);
    EXPECT_EQ(found[1].place, "/srv/a b\\");
    EXPECT_EQ(found[1].source, "tank/a b");
    EXPECT_TRUE(found[1].readonly);
    EXPECT_FALSE(found[1].filesystem_readonly);
}

/// readonly=on leaves the mount's own flag as it is; a bind mount may have another than its origin.
TEST(MountTable, WritableIsWhatNeitherTheMountNorTheFilesystemForbids) {
    EXPECT_EQ(parse::writable_zfs(line("/a", "rw", "zfs tank/a", "rw,xattr,noacl")),
              (Places{{"tank/a", "/a"}}));
    EXPECT_EQ(parse::writable_zfs(line("/a", "rw", "zfs tank/a", "ro,xattr,noacl")), Places{});
    EXPECT_EQ(parse::writable_zfs(line("/a", "ro", "zfs tank/a", "rw")), Places{});
    EXPECT_EQ(parse::writable_zfs(line("/a", "ro", "zfs tank/a", "rw") +
                                  line("/chroot/a", "rw,relatime", "zfs tank/a", "rw")),
              (Places{{"tank/a", "/chroot/a"}}));
    EXPECT_EQ(parse::writable_zfs(line("/a", "rw", "ext4 tank/a", "rw")), Places{});
    EXPECT_EQ(parse::writable_zfs(""), Places{});
}

class WritableTarget : public ::testing::Test {
  protected:
    static Dataset of(const char* name, bool readonly = true) {
        Dataset out(*DatasetName::parse(name));
        out.readonly = readonly;
        return out;
    }
};

TEST_F(WritableTarget, IsNoneThatIsNotMountedSo) {
    const Dataset copy = of("backup/fs", /*readonly=*/false);
    EXPECT_FALSE(plan::writable_target({&copy, nullptr}, {{"backup/other", "/srv"}}));
    EXPECT_FALSE(plan::writable_target({}, {{"backup/fs", "/srv"}}));
}

TEST_F(WritableTarget, IsToldWithWhatEndsIt) {
    const Dataset remounted = of("backup/a b");
    const auto found = plan::writable_target({&remounted}, {{"backup/a b", "/srv/a b"}});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->message,
              "backup/a b is a target and is mounted writable on /srv/a b: the next sync rolls "
              "back what is written there");
    EXPECT_EQ(found->remedy,
              "zfs unmount 'backup/a b', or, to go on reading there: mount -o remount,ro '/srv/a "
              "b'");
    const Dataset by_hand = of("backup/fs", /*readonly=*/false);
    const auto set = plan::writable_target({&by_hand}, {{"backup/fs", "/srv"}});
    ASSERT_TRUE(set);
    EXPECT_EQ(set->message,
              "backup/fs is a target and is mounted writable on /srv, and has readonly=off: the "
              "next sync rolls back what is written there");
    EXPECT_EQ(set->remedy, "zfs set readonly=on 'backup/fs'");
}

/// A readonly of its own would stay when the tree becomes the master.
TEST_F(WritableTarget, OfAMemberIsEndedWhereItHasItFrom) {
    const Dataset root = of("backup/fs");
    Dataset member = of("backup/fs/a", /*readonly=*/false);
    member.readonly_here = true;
    EXPECT_EQ(plan::writable_target({&root, &member}, {{"backup/fs/a", "/srv"}})->remedy,
              "zfs inherit readonly 'backup/fs/a'");
    const Dataset open = of("backup/fs", /*readonly=*/false);
    member.readonly_here = false;
    EXPECT_EQ(plan::writable_target({&open, &member}, {{"backup/fs/a", "/srv"}})->remedy,
              "zfs set readonly=on 'backup/fs'");
}

TEST_F(WritableTarget, OfATreeIsTheFirstAndHowManyMore) {
    const Dataset root = of("backup/fs");
    const Dataset a = of("backup/fs/a");
    const Dataset b = of("backup/fs/b");
    const auto found = plan::writable_target(
        {&root, &a, &b}, {{"backup/fs/a", "/srv/a"}, {"backup/fs/b", "/srv/b"}});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->message,
              "backup/fs/a is a target and is mounted writable on /srv/a (others of its tree too: "
              "1): the next sync rolls back what is written there");
}

}  // namespace
}  // namespace zrepd
