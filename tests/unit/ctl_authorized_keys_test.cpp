// SPDX-License-Identifier: BSD-2-Clause
// What zrepctl authorize takes for a public key, and what it makes of authorized_keys.
#include "ctl/authorized_keys.hpp"

#include <gtest/gtest.h>

namespace zrepd::ctl {
namespace {

const std::string kEd = "AAAAC3NzaC1lZDI1NTE5AAAAIBwcffy1T4a1/hlPWxn0tdSKRmZg25e/Dm0+epJIImYC";
const std::string kOtherEd = "AAAAC3NzaC1lZDI1NTE5AAAAIBwcffy1T4a1/hlPWxn0tdSKRmZg25e/Dm0+epJIImYD";
const std::string kRsa2048 =
    "AAAAB3NzaC1yc2EAAAADAQABAAABAQDts8eSUoqiwsMk40kqDRmBrm8pEV6AnJjbQeRnsbSS0wAA5U4bz8hx"
    "lChXkUp0fbeo62V4WUdUUeG/WI4RUYHe4/2BB0wPQA2zdH0XyiN1qexm1C0hXk196UEb70HjHoUjdyGdZFn7"
    "qvT1mSTqNlkmIYh8KKS9u0iG5JpJ/ZxB4/3mc3fi8wcGQfw5UN7mJiC8huUzDmt6AEpNn8lyIl8F+sax0lzj"
    "k/rDxQD+X50IEPp6tSCCICmOckraq87b4TSn06q5lKX6hY1THdeQ1fTfl2Ii5k/G9ADm8CTOkggdKyfG4vok"
    "S48JX6EL0wNLTCKofiFmNIpXPWItBNWb7bRN";
const std::string kRsa1024 =
    "AAAAB3NzaC1yc2EAAAADAQABAAAAgQC39fNFFl4zjK6nfMswGrC2r0cAQjtI6JcxUx6yeLwpC9VDG+C4jJic"
    "PtNx01sG1fIw+nzOO0yefs87uM88j07gNt2t1CeeaJi1GabKmXnEYzVj1MBC6uI/0vzaD6Ibf7XrSe5x+6xQ"
    "Z1ud2ZdE1UoXKbpHH2uc7NryDdThcg180w==";
const std::string kNistp256 =
    "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNMRU1nAwrgoNKFvyCq+05bC3JvMVZTf"
    "gcSXdQLE6zVw+ylcF/AN5wWyCdrqBen5UI02MXR0gm2hdieEmkNdp5Y=";
const std::string kFile = "ssh-ed25519 " + kEd + " root@alpha\n";
const std::string kOurs = "restrict,command=\"zrepctl peer --as alpha\" " + kFile;

HostName host(const char* name) {
    return *HostName::parse(name);
}

PublicKey one_key() {
    return *parse_public_key(kFile);
}

TEST(PublicKeyFile, IsOneKeyOfAKnownType) {
    for (const auto& [type, blob] : {std::pair<std::string, std::string>{"ssh-ed25519", kEd},
                                     {"ssh-rsa", kRsa2048},
                                     {"ecdsa-sha2-nistp256", kNistp256}}) {
        const auto key =
            parse_public_key("# of alpha\r\n\n  " + type + "\t" + blob + "  root at  alpha \r\n");
        ASSERT_TRUE(key) << type << ": " << key.error().text();
        EXPECT_EQ(key->type, type);
        EXPECT_EQ(key->blob, blob);
        EXPECT_EQ(key->comment, "root at  alpha");
    }
    EXPECT_EQ(parse_public_key("ssh-ed25519 " + kEd)->comment, "");
}

TEST(PublicKeyFile, IsNothingElse) {
    const std::string ed = "ssh-ed25519 ";
    const std::pair<std::string, const char*> rows[] = {
        {"", "holds no key"},
        {"# only words\n", "holds no key"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n",
         "private key"},
        {"-----BEGIN RSA PRIVATE KEY-----\n", "private key"},
        {"PuTTY-User-Key-File-3: ssh-ed25519\n", "private key"},
        {"---- BEGIN SSH2 PUBLIC KEY ----\n", "OpenSSH's form"},
        {kFile + kFile, "more than one"},
        {"restrict " + kFile, "options are not taken"},
        {"command=\"sh\" " + kFile, "options are not taken"},
        {"ssh-dss AAAA", "are not taken"},
        {"sk-ssh-ed25519@openssh.com AAAA", "are not taken"},
        {"ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"},
        {"ssh-ed25519", "damaged"},
        {ed + kEd.substr(0, 40), "damaged"},
        {ed + kEd.substr(1), "damaged"},
        {ed + kEd + "AAAA", "damaged"},
        {ed + kRsa2048, "damaged"},
        {"ssh-rsa " + kEd, "damaged"},
        {"ssh-rsa " + kRsa1024, "2048 bits"},
        {ed + "%%%%", "damaged"},
        {std::string("ssh-ed25519 ") + kEd + std::string("\0x", 2), "no text"},
        {ed + kEd + " a\rssh-rsa", "no text"},
        {ed + kEd + " \x1b[2J", "no text"},
        {ed + kEd + " \xff", "no text"},
        {ed + kEd + " " + std::string(201, 'x'), "comment is too long"},
    };
    for (const auto& [file, why] : rows) {
        const auto key = parse_public_key(file);
        ASSERT_FALSE(key) << file;
        EXPECT_EQ(key.error().code, Code::invalid_params) << file;
        EXPECT_NE(key.error().message.find(why), std::string::npos) << key.error().message;
        EXPECT_EQ(key.error().message.find(kEd), std::string::npos) << "it repeats the key";
    }
}

TEST(AuthorizedKeys, TakeALineOnceAndLeaveTheRestAsItIs) {
    const std::string rest =
        "# ours\n\nssh-rsa AAAA  bob\r\nfrom=\"10.0.0.0/8\",pty ssh-rsa BBBB eve";
    const auto first = with_key(rest, host("Alpha.example.org"), one_key());
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->changes);
    EXPECT_EQ(first->text, rest + "\n" + kOurs);
    const auto again = with_key(first->text, host("alpha"), one_key());
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->changes);
    EXPECT_EQ(again->text, first->text);
}

TEST(AuthorizedKeys, AnOlderLineOfTheSameHostAndKeyIsReplacedInItsPlace) {
    const std::string old =
        "command=\"/usr/bin/zrepctl peer --as ALPHA\",restrict  ssh-ed25519 " + kEd + " x\n";
    const auto edit = with_key("a b c\n" + old + "d\n" + old, host("alpha"), one_key());
    ASSERT_TRUE(edit);
    EXPECT_EQ(edit->text, "a b c\n" + kOurs + "d\n");
}

TEST(AuthorizedKeys, AKeyIsOneHostsAndHasNoOtherRights) {
    const auto taken = with_key(kOurs, host("gamma"), one_key());
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Code::already_exists);
    EXPECT_NE(taken.error().remedy.find("zrepctl authorize alpha --revoke"), std::string::npos);
    for (const std::string& other :
         {kFile,
          "restrict " + kFile,
          "command=\"sh -c \\\"zrepctl peer --as alpha\\\"\" " + kFile,
          "environment=\"A=command=\\\"zrepctl peer --as alpha\\\"\" " + kFile,
          "command=\"zrepctl status --as alpha x\" " + kFile}) {
        const auto refused = with_key("#\n" + other, host("alpha"), one_key());
        ASSERT_FALSE(refused) << other;
        EXPECT_EQ(refused.error().code, Code::conflict);
        EXPECT_NE(refused.error().message.find("line 2"), std::string::npos);
    }
}

TEST(AuthorizedKeys, AHostsLineIsKnownHoweverItIsWritten) {
    for (const std::string& options :
         {std::string(R"(restrict,COMMAND="zrepctl peer --as alpha")"),
          std::string(R"(command="/usr/bin/zrepctl --socket /run/x.sock peer --as alpha.example")"),
          std::string(R"(no-pty,command="zrepctl peer --as alpha",restrict)")}) {
        const std::string line = options + " ssh-ed25519 AAAA alpha\n";
        EXPECT_EQ(without_keys(line, host("alpha"), nullptr).removed, 1U) << options;
        EXPECT_EQ(without_keys(line, host("beta"), nullptr).removed, 0U) << options;
    }
}

TEST(AuthorizedKeys, GiveUpAHostsKeysAndNobodyElses) {
    std::string gammas = kOurs;
    gammas.replace(gammas.find("alpha\""), 5, "gamma");
    gammas.replace(gammas.find(kEd) + kEd.size() - 1, 1, "E");
    std::string second = kOurs;
    second.replace(second.find(kEd), kEd.size(), kOtherEd);
    const std::string all = kOurs + gammas + second + "# alpha\n";
    const KeyEdit host_gone = without_keys(all, host("alpha"), nullptr);
    EXPECT_EQ(host_gone.text, gammas + "# alpha\n");
    EXPECT_EQ(host_gone.removed, 2U);
    const PublicKey key = one_key();
    const KeyEdit one_gone = without_keys(all, host("alpha"), &key);
    EXPECT_EQ(one_gone.text, gammas + second + "# alpha\n");
    EXPECT_EQ(one_gone.others, 1U);
    EXPECT_FALSE(without_keys(all, host("alphabet"), nullptr).changes);
    EXPECT_EQ(with_key(all, host("alpha"), key)->others, 1U);
}

}  // namespace
}  // namespace zrepd::ctl
