// SPDX-License-Identifier: BSD-2-Clause
// As whom a host is logged in to: ssh's own user, and zrep where that one is refused.
#include <thread>

#include "daemon/peer/peers.hpp"
#include "daemon/peer/ssh_transport.hpp"
#include "tests/fakes/peer_links.hpp"
#include "tests/fakes/task_test.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::peer {
namespace {

constexpr std::chrono::seconds kPingLimit{5};
constexpr const char* kOwn = "root";  // in these tests ssh's own user
constexpr const char* kRefused = "Permission denied (publickey).";

/// An ssh that has ended, or that lives until it is destroyed.
class FakeSsh : public Running {
  public:
    FakeSsh(Fd in, Fd out, std::string said)
        : in_(std::move(in)), out_(std::move(out)), said_(std::move(said)) {}
    Task<std::optional<ProcessEnd>> wait(std::chrono::milliseconds) override {
        co_return ProcessEnd{.exit_status = 255};
    }
    std::string stderr_tail() override { return said_; }

  private:
    Fd in_;
    Fd out_;
    std::string said_;
};

/// A host that lets some users in, and answers the first request of each.
class FakeHost : public ProcessStarter {
  public:
    Result<std::unique_ptr<Running>> start(std::vector<std::string> argv, Fd in, Fd out) override {
        const auto option = std::find(argv.begin(), argv.end(), "-l");
        const std::string user = option == argv.end() ? kOwn : *std::next(option);
        logins.push_back(user);
        if (at_login) at_login();
        if (!lets_in.contains(user)) {
            out.reset();
            const auto own = refusals.find(user);
            const std::string why = own == refusals.end() ? kRefused : own->second;
            return running(
                {}, {}, (own_user.empty() || user != kOwn ? user : own_user) + "@beta: " + why);
        }
        rpc::Hello greeting;
        greeting.protocol = "1.0";
        greeting.version = "9.9.9";
        greeting.host = "beta";
        greeting.access = "peer";
        const std::string lines = rpc::notification_line("hello", rpc::encode(greeting)) +
                                  rpc::reply_line(1, Json::object());
        EXPECT_EQ(::write(out.get(), lines.data(), lines.size()), std::ssize(lines));
        return running(std::move(in), std::move(out), "");
    }

    std::set<std::string> lets_in;
    std::map<std::string, std::string> refusals;  ///< other words for a user
    std::string own_user;                         ///< how ssh names its own one
    std::function<void()> at_login;
    std::vector<std::string> logins;

  private:
    static Result<std::unique_ptr<Running>> running(Fd in, Fd out, std::string said) {
        return std::unique_ptr<Running>(
            std::make_unique<FakeSsh>(std::move(in), std::move(out), std::move(said)));
    }
};

class Login : public test::TaskTest {
  protected:
    using Users = std::vector<std::string>;

    /// What a ping of such a host ends with; the transport remembers from one to the next.
    std::optional<Error> ping(SshOptions options = {}) {
        if (!transport)
            transport.emplace(
                beta, folder.path / "ssh", *HostName::parse("alpha"), std::move(options));
        error.reset();
        beta.logins.clear();
        Peers peers(io.get_executor(), *transport, [](auto&&...) {}, {});
        run(ping_and_stop(peers));
        return error;
    }
    Task<> ping_and_stop(Peers& peers) {
        Json params = Json::object();
        Task<Result<Json>> work =
            peers.call(*HostName::parse("beta"), "peer.ping", std::move(params), kPingLimit);
        Result<Json> reply = co_await std::move(work);
        if (!reply) error = reply.error();
        co_await peers.stop();
    }

    /// A second ping, from the moment of the second login on, from which beta lets ssh's own in.
    Task<> ping_twice_and_stop(Peers& peers) {
        TaskGroup later(io.get_executor());
        beta.at_login = [&] {
            if (beta.logins.size() == 2) later.spawn("second ping", ping_again(peers));
        };
        Task<> first = ping_only(peers, &error);
        co_await std::move(first);
        co_await later.join();
        co_await peers.stop();
    }
    Task<> ping_again(Peers& peers) {
        beta.lets_in = {kOwn};
        Task<> second = ping_only(peers, &later_error);
        co_await std::move(second);
    }
    static Task<> ping_only(Peers& peers, std::optional<Error>* out) {
        Json params = Json::object();
        Task<Result<Json>> work =
            peers.call(*HostName::parse("beta"), "peer.ping", std::move(params), kPingLimit);
        Result<Json> reply = co_await std::move(work);
        if (!reply) *out = reply.error();
    }

    test::TempFolder folder;
    FakeHost beta;
    std::optional<SshTransport> transport;
    std::optional<Error> error;
    std::optional<Error> later_error;
};

TEST_F(Login, IsThatOfSshItselfWhereItIsLetIn) {
    beta.lets_in = {kOwn, "zrep"};
    EXPECT_FALSE(ping());
    EXPECT_EQ(beta.logins, Users{kOwn});
}
TEST_F(Login, IsZrepsWhereThatOneIsRefusedAndStaysSo) {
    beta.lets_in = {"zrep"};
    EXPECT_FALSE(ping());
    EXPECT_EQ(beta.logins, (Users{kOwn, "zrep"}));
    EXPECT_FALSE(ping());
    EXPECT_EQ(beta.logins, Users{"zrep"}) << "no refused login for each connection";
}
TEST_F(Login, GoesBackWhenZrepIsRefusedLater) {
    beta.lets_in = {"zrep"};
    EXPECT_FALSE(ping());
    beta.lets_in = {kOwn};
    EXPECT_FALSE(ping());
    EXPECT_EQ(beta.logins, (Users{"zrep", kOwn}));
}
TEST_F(Login, ThatIsRefusedAsBothSaysSoAndBeginsAnewTheSameWay) {
    for (int i = 0; i < 2; ++i) {
        const auto refused = ping();
        ASSERT_TRUE(refused);
        EXPECT_EQ(refused->code, Code::peer_auth);
        EXPECT_EQ(refused->message,
                  "beta refused this host's ssh key: 'root@beta: Permission denied (publickey).', "
                  "and as zrep");
        EXPECT_NE(refused->remedy.find("zrepctl authorize beta --ask"), std::string::npos);
        EXPECT_EQ(beta.logins, (Users{kOwn, "zrep"}));
    }
}
TEST_F(Login, ThatWasMendedMeanwhileIsTriedForWhoAskedMeanwhile) {
    transport.emplace(beta, folder.path / "ssh", *HostName::parse("alpha"), SshOptions{});
    Peers peers(io.get_executor(), *transport, [](auto&&...) {}, {});
    run(ping_twice_and_stop(peers));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Code::peer_auth);
    EXPECT_FALSE(later_error) << later_error->text();
    EXPECT_EQ(beta.logins, (Users{kOwn, "zrep", kOwn}));
}
TEST_F(Login, IsTheConfiguredOneAlone) {
    const auto refused = ping({.user = "backup"});
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->message,
              "beta refused this host's ssh key: 'backup@beta: Permission denied (publickey).'");
    EXPECT_NE(refused->remedy.find("authorize alpha --user backup --key"), std::string::npos);
    EXPECT_EQ(beta.logins, Users{"backup"});
}
TEST_F(Login, BeginsWithSshsOwnAgainAfterAWhile) {
    beta.lets_in = {"zrep"};
    constexpr std::chrono::seconds kKept{2};
    EXPECT_FALSE(ping({.keep_login = kKept}));
    std::this_thread::sleep_for(kKept);
    beta.lets_in.insert(kOwn);
    EXPECT_FALSE(ping());
    EXPECT_EQ(beta.logins, Users{kOwn}) << "a passing refusal is none for good";
}
TEST_F(Login, OfAStreamIsThatOfItsSession) {
    beta.lets_in = {"zrep"};
    EXPECT_FALSE(ping());
    const auto stream = transport->open(*HostName::parse("beta"), Purpose::stream);
    ASSERT_TRUE(stream);
    EXPECT_EQ(beta.logins.back(), "zrep");
}
TEST_F(Login, IsNotTriedTwiceWhereItIsZrepAnyway) {
    beta.own_user = "zrep";
    const auto refused = ping();
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->message,
              "beta refused this host's ssh key: 'zrep@beta: Permission denied (publickey).'");
    EXPECT_EQ(beta.logins, Users{kOwn});
}
TEST_F(Login, AsTheOtherOneFailsInItsOwnWords) {
    beta.refusals["zrep"] = "Connection refused";
    const auto away = ping();
    ASSERT_TRUE(away);
    EXPECT_EQ(away->code, Code::peer_unreachable);
    EXPECT_EQ(beta.logins, (Users{kOwn, "zrep"}));
}
TEST_F(Login, IsNoOtherForTroubleOfAnotherKind) {
    beta.refusals[kOwn] = "ssh: connect to host beta port 22: Connection refused";
    const auto away = ping();
    ASSERT_TRUE(away);
    EXPECT_EQ(away->code, Code::peer_unreachable);
    EXPECT_EQ(beta.logins, Users{kOwn});
}

}  // namespace
}  // namespace zrepd::peer
