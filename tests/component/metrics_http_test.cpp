// SPDX-License-Identifier: BSD-2-Clause
// The figures by HTTP: real sockets, and clients that do everything wrong.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>

#include "daemon/log.hpp"
#include "daemon/metrics/http_server.hpp"
#include "tests/fakes/http_client.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::metrics {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using fake::HttpClient;
using test::run_task;
using test::run_until;

constexpr std::string_view kGet = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

class MetricsHttpTest : public ::testing::Test {
  protected:
    MetricsHttpTest() {
        std::signal(SIGPIPE, SIG_IGN);
        testing::internal::CaptureStdout();
        log::start("info");
    }
    ~MetricsHttpTest() override {
        for (auto& server : servers) run_task(io, server.stop());
        if (!said_) said();
        log::start("info");
    }
    MetricsHttpTest(const MetricsHttpTest&) = delete;
    MetricsHttpTest& operator=(const MetricsHttpTest&) = delete;

    HttpServer& begin(config::ListenAddress address) {
        const Source source = [this](Format format) {
            ++asked;
            return std::make_shared<const std::string>(
                (format == Format::open_metrics ? "open " : "prometheus ") + figures);
        };
        auto& server = servers.emplace_back(io.get_executor(), std::move(address), source, limits);
        server.start();
        test::run_ready(io);
        return server;
    }
    HttpServer& begin() { return begin({.path = path}); }
    /// All that is answered to these bytes.
    std::string answer_to(std::string_view bytes) {
        HttpClient client(path);
        EXPECT_TRUE(client.connected());
        client.send(bytes);
        run_until(io, [&client] { return client.ended(); });
        // Who is refused at the door is not read from.
        if (status_of(client.text()).find(" 503 ") == std::string::npos) {
            EXPECT_FALSE(client.was_reset());
        }
        return client.text();
    }
    static std::string status_of(const std::string& answer) {
        return answer.substr(0, answer.find('\r'));
    }
    static std::string body_of(const std::string& answer) {
        return answer.substr(answer.find("\r\n\r\n") + 4);
    }
    /// The log so far; once only.
    std::string said() {
        said_ = true;
        log::flush();
        return testing::internal::GetCapturedStdout();
    }
    static long count(const std::string& text, const std::string& part) {
        long out = 0;
        for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++out;
        return out;
    }

    asio::io_context io{1};
    test::TempFolder temp;
    std::string path = temp.path / "metrics.sock";
    HttpLimits limits{.again = 20ms};
    std::string figures = "figures\n";
    int asked = 0;
    std::deque<HttpServer> servers;

  private:
    bool said_ = false;
};

TEST_F(MetricsHttpTest, AnswersOnAUnixSocketThatEverybodyMayOpen) {
    begin();
    struct stat found = {};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0666U);
    const std::string answer = answer_to(kGet);
    EXPECT_EQ(status_of(answer), "HTTP/1.1 200 OK");
    EXPECT_EQ(body_of(answer), "open figures\n");
    EXPECT_NE(answer.find("\r\nContent-Length: 13\r\n"), std::string::npos) << answer;
}

TEST_F(MetricsHttpTest, AnswersOnAPortOfThisHost) {
    const std::uint16_t port = HttpClient::free_port();
    begin({.host = "127.0.0.1", .port = port});
    HttpClient client(port);
    ASSERT_TRUE(client.connected());
    client.send("GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n");
    run_until(io, [&client] { return client.ended(); });
    EXPECT_EQ(body_of(client.text()), "prometheus figures\n");
}

TEST_F(MetricsHttpTest, AnswersHeadWithoutABody) {
    begin();
    const std::string answer = answer_to("HEAD /metrics HTTP/1.1\r\n\r\n");
    EXPECT_NE(answer.find("\r\nContent-Length: 13\r\n"), std::string::npos);
    EXPECT_EQ(body_of(answer), "");
}

TEST_F(MetricsHttpTest, SaysWhatIsWrongWithARequest) {
    begin();
    const std::pair<std::string, const char*> table[] = {
        {"GET / HTTP/1.1\r\n\r\n", "404 Not Found"},
        {"DELETE /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"},
        {"POST /metrics HTTP/1.1\r\nContent-Length: 4000\r\n\r\n" + std::string(4000, 'x'),
         "405 Method Not Allowed"},
        {"hello\r\n\r\n", "400 Bad Request"},
        {"GET /metrics HTTP/1.1\r\nX: " + std::string(kMaxHead, 'x'),
         "431 Request Header Fields Too Large"}};
    for (const auto& [sent, status] : table) {
        const std::string answer = answer_to(sent);
        EXPECT_EQ(status_of(answer), std::string("HTTP/1.1 ") + status);
        EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
    }
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(status_of(answer_to(kGet)), "HTTP/1.1 200 OK") << "and goes on";
}

TEST_F(MetricsHttpTest, OneThatDoesNotEndItsRequestIsToldInTime) {
    limits.time = 50ms;
    begin();
    EXPECT_EQ(status_of(answer_to("GET /metrics HT")), "HTTP/1.1 408 Request Timeout");
    EXPECT_EQ(status_of(answer_to("")), "HTTP/1.1 408 Request Timeout");
}

TEST_F(MetricsHttpTest, OneThatDoesNotReadGivesItsPlaceBack) {
    limits = {.connections = 1, .time = 50ms};
    figures.assign(std::size_t{32} << 20, 'x');
    begin();
    HttpClient lazy(path);
    lazy.send(kGet);
    run_until(io, [this] { return asked == 1; });
    std::string answer;
    do answer = answer_to("GET / HTTP/1.1\r\n\r\n");
    while (status_of(answer) == "HTTP/1.1 503 Service Unavailable");
    EXPECT_EQ(status_of(answer), "HTTP/1.1 404 Not Found");
    run_until(io, [&lazy] { return lazy.ended(); });
    EXPECT_LT(lazy.text().size(), figures.size());
}

TEST_F(MetricsHttpTest, ServesALargeAnswerWhole) {
    figures.assign(std::size_t{8} << 20, 'x');
    begin();
    EXPECT_EQ(body_of(answer_to(kGet)), "open " + figures);
}

TEST_F(MetricsHttpTest, HasAPlaceForSoManyAndTellsTheOthers) {
    limits.connections = 2;
    begin();
    std::optional<HttpClient> first(path);
    HttpClient second(path);
    test::run_ready(io);
    EXPECT_EQ(status_of(answer_to("")), "HTTP/1.1 503 Service Unavailable");
    first.reset();
    test::run_ready(io);
    EXPECT_EQ(status_of(answer_to(kGet)), "HTTP/1.1 200 OK");
}

TEST_F(MetricsHttpTest, TakesAwayNobodysSocketAndTriesAgain) {
    const auto serves = [this](HttpServer& server) {
        run_until(io, [&server] { return server.serves(); });
    };
    serves(begin());
    HttpServer& second = begin();
    const auto until = std::chrono::steady_clock::now() + 100ms;
    run_until(io, [until] { return std::chrono::steady_clock::now() > until; });
    EXPECT_FALSE(second.serves());
    EXPECT_EQ(status_of(answer_to(kGet)), "HTTP/1.1 200 OK") << "the first still answers";
    run_task(io, servers.front().stop());
    serves(second);
    const std::string log = said();
    EXPECT_EQ(count(log, "metrics_not_served"), 1) << log;
    EXPECT_NE(log.find("another program listens there"), std::string::npos) << log;
    EXPECT_EQ(count(log, "metrics_served"), 2) << log;
}

TEST_F(MetricsHttpTest, APortThatIsTakenIsSaidOnce) {
    const std::uint16_t port = HttpClient::free_port();
    begin({.host = "127.0.0.1", .port = port});
    HttpServer& second = begin({.host = "127.0.0.1", .port = port});
    const auto until = std::chrono::steady_clock::now() + 100ms;
    run_until(io, [until] { return std::chrono::steady_clock::now() > until; });
    EXPECT_FALSE(second.serves());
    const std::string log = said();
    EXPECT_EQ(count(log, "metrics_not_served"), 1) << log;
    EXPECT_NE(log.find("127.0.0.1:" + std::to_string(port)), std::string::npos) << log;
}

TEST_F(MetricsHttpTest, ReplacesASocketThatWasLeftHereAndNothingElse) {
    begin();
    fs::rename(path, path + ".old");
    run_task(io, servers.front().stop());
    fs::rename(path + ".old", path);
    EXPECT_FALSE(HttpClient(path).connected());
    EXPECT_TRUE(begin().serves());
    run_task(io, servers.back().stop());
    EXPECT_FALSE(fs::exists(path));
    std::ofstream(path) << "mine";
    EXPECT_FALSE(begin().serves());
    EXPECT_EQ(fs::file_size(path), 4U);
}

TEST_F(MetricsHttpTest, AStopCutsOffWhoWaits) {
    begin();
    HttpClient client(path);
    client.send("GET /met");
    test::run_ready(io);
    run_task(io, servers.front().stop());
    EXPECT_TRUE(client.ended());
    EXPECT_EQ(client.text(), "");
}

}  // namespace
}  // namespace zrepd::metrics
