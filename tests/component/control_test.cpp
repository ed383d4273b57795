// SPDX-License-Identifier: BSD-2-Clause
// Every method of the control socket over a real socket, and what the server makes of params.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "daemon/control/registry.hpp"
#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"

namespace zrepd::control {
namespace {

using fake::FakeDaemon;
using fake::LineClient;

struct MethodTest {
    const char* params;
    const char* pointer;  ///< into the result
    Json wanted;
};

/// One call per method; the walk below fails for a method that is not here.
const std::map<std::string, MethodTest> kMethodTests{
    {"pair.init",
     {R"({"dataset":"tank/a b","host":"beta","target":"backup/fs"})", "/run_id", "run-1"}},
    {"pair.sync", {R"({"all":true})", "/run_id", "run-1"}},
    {"pair.put_back", {R"({"dataset":"tank/fs","snapshot":"zrep_000001"})", "/run_id", "run-1"}},
    {"pair.expire", {R"({"datasets":["tank/fs"],"local_only":true})", "/run_id", "run-1"}},
    {"pair.failover", {R"({"datasets":["tank/fs"]})", "/run_id", "run-1"}},
    {"pair.takeover", {R"({"all":true,"local_only":true})", "/run_id", "run-1"}},
    {"pair.resolve", {R"({"dataset":"tank/fs","keep":"here"})", "/run_id", "run-1"}},
    {"pair.refresh", {R"({"datasets":["backup/fs"]})", "/run_id", "run-1"}},
    {"pair.unfence", {R"({"datasets":["tank/fs"]})", "/run_id", "run-1"}},
    {"rescue.list", {"{}", "/rescues", Json::array()}},
    {"rescue.drop", {R"({"dataset":"tank/fs_diverged_2"})", "/run_id", "run-1"}},
    {"rescue.diff",
     {R"({"dataset":"tank/fs_diverged_2","limit":5})", "/dataset", "tank/fs_diverged_2"}},
    {"doctor.run", {R"({"hosts":["beta"]})", "/peers/0/host", "beta"}},
    {"pair.drill", {R"({"dataset":"tank/fs"})", "/run_id", "run-1"}},
    {"pair.pause", {R"({"datasets":["tank"]})", "/steps/0", "pause tank"}},
    {"pair.unpause", {R"({"datasets":["tank"]})", "/steps/0", "unpause tank"}},
    {"pair.clear", {R"({"dataset":"tank/fs"})", "/steps/0", "clear tank/fs"}},
    {"pair.changeconfig",
     {R"({"dataset":"tank/fs","host":"gamma","other":"backup/fs"})", "/steps/0", "change tank/fs"}},
    {"pair.set", {R"({"dataset":"tank","settings":{"limit":"10M"}})", "/steps/0", "set tank"}},
    {"pair.list", {"{}", "/pairs/0/peer_dataset", "backup/tank/fs"}},
    {"status.get",
     {R"({"datasets":["tank/fs"]})", "/pairs/0/last_acked/guid", "12345678901234567890"}},
    {"run.get", {R"({"run_id":"run-0"})", "/results/0/outcome", "done"}},
    {"events.recent", {R"({"limit":5})", "/events/0/event", "peer_up"}},
    {"events.subscribe", {"{}", "/status/pairs/0/dataset", "tank/fs"}},
    {"daemon.version", {"{}", "/zfs", "2.3.0"}},
    {"rpc.discover", {"{}", "/methods/0/name", "pair.init"}},
};

class Control : public testing::Test {
  protected:
    Control() {
        daemon.on_io([this] {
            daemon.service.pairs = {fake::healthy_pair("tank/fs")};
            daemon.service.runs["run-0"] = fake::finished_run("run-0", {"tank/fs"});
        });
    }
    /// A client that has read its greeting.
    LineClient client() { return client_of(daemon.socket()); }
    static LineClient client_of(const std::string& path) {
        LineClient out(path);
        EXPECT_TRUE(out.connected());
        EXPECT_EQ(out.json()["method"], "hello");
        return out;
    }
    std::size_t calls() {
        std::size_t out = 0;
        daemon.on_io([&] { out = daemon.service.seen.size(); });
        return out;
    }

    FakeDaemon daemon;
};

TEST_F(Control, EveryMethodHasATestAndAnswers) {
    auto client = this->client();
    for (const Method& method : methods()) {
        SCOPED_TRACE(method.name);
        const auto test = kMethodTests.find(std::string(method.name));
        ASSERT_NE(test, kMethodTests.end()) << "add it to kMethodTests";
        const Json reply = client.call(test->first, test->second.params);
        ASSERT_TRUE(reply.contains("result")) << dump_json(reply);
        EXPECT_EQ(reply["result"].value(Json::json_pointer(test->second.pointer), Json()),
                  test->second.wanted)
            << dump_json(reply);
    }
}

TEST_F(Control, EveryResultHasTheKeysItsSchemaRequires) {
    auto client = this->client();
    for (const Method& method : methods()) {
        const Json reply =
            client.call(std::string(method.name), kMethodTests.at(std::string(method.name)).params);
        const Json schema = method.out_schema();
        for (const auto& key : schema.value("required", Json::array())) {
            EXPECT_TRUE(reply["result"].contains(key.get<std::string>())) << method.name << key;
        }
    }
}

TEST_F(Control, GreetsWithProtocolAndAccess) {
    LineClient main(daemon.socket());
    const Json hello = main.json();
    EXPECT_EQ(hello["method"], "hello");
    EXPECT_EQ(hello["params"]["protocol"], "1.0");
    EXPECT_EQ(hello["params"]["boot_id"], "boot-1");
    EXPECT_EQ(hello["params"]["access"], "admin");
    LineClient reader(daemon.read_socket());
    EXPECT_EQ(reader.json()["params"]["access"], "read");
}

TEST_F(Control, HandsTheCallersUserAndProcessOn) {
    auto client = this->client();
    client.call("pair.sync", R"({"all":true})");
    daemon.on_io([&] {
        ASSERT_EQ(daemon.service.seen.size(), 1U);
        EXPECT_EQ(daemon.service.seen[0].caller.uid, ::geteuid());
        EXPECT_EQ(daemon.service.seen[0].caller.pid, ::getpid());
    });
}

TEST_F(Control, RefusesWrongParamsBeforeAnythingIsDone) {
    struct Case {
        const char* method;
        const char* params;
        const char* message;
    };
    const Case cases[] = {
        {"pair.sync", R"({"datasets":["tank/fs"],"force":true})", "force: unknown key"},
        {"pair.sync", R"({"datasets":"tank/fs"})", "datasets: must be a list"},
        {"pair.sync", R"({"datasets":["tank/fs",7]})", "datasets[1]: must be a string"},
        {"pair.sync", R"({"all":null})", "all: must be true or false"},
        {"pair.sync", R"({"all":1})", "all: must be true or false"},
        {"pair.init", R"({"dataset":"a","host":"b"})", "target: is missing"},
        {"pair.init",
         R"({"dataset":"a","host":"b","target":"c","savecount":-1})",
         "savecount: is out of range"},
        {"pair.init",
         R"({"dataset":"a","host":"b","target":"c","savecount":2.5})",
         "savecount: must be a whole number"},
        {"pair.set",
         R"({"dataset":"a","settings":{"limit":5}})",
         "settings.limit: must be a string"},
        {"pair.clear", R"({"dataset":"a","request_key":null})", "request_key: must be a string"},
        {"daemon.version", R"({"verbose":true})", "verbose: unknown key"},
        {"events.subscribe", R"({"since":1})", "since: unknown key"},
        {"status.get", R"({"datasets":[["a"]]})", "datasets[0]: must be a string"},
    };
    auto client = this->client();
    for (const Case& one : cases) {
        const Json reply = client.call(one.method, one.params);
        EXPECT_EQ(reply["error"]["code"], -32602) << one.params;
        EXPECT_EQ(reply["error"]["data"]["kind"], "invalid_params");
        EXPECT_EQ(reply["error"]["message"], one.message);
    }
    EXPECT_EQ(calls(), 0U);
}

TEST_F(Control, AnswersAnUnknownMethodAndStays) {
    auto client = this->client();
    const Json reply = client.call("pair.destroy");
    EXPECT_EQ(reply["error"]["code"], -32601);
    EXPECT_EQ(reply["error"]["data"]["kind"], "method_not_found");
    EXPECT_TRUE(client.call("daemon.version").contains("result"));
}

TEST_F(Control, PassesAnErrorOnWithKindAndRemedy) {
    daemon.on_io([&] {
        daemon.service.fail_with = Error{.code = Code::already_running,
                                         .message = "tank/fs is being synced",
                                         .remedy = "wait for run-7",
                                         .run_id = "run-7"};
    });
    auto client = this->client();
    const Json error = client.call("pair.sync", R"({"all":true})")["error"];
    EXPECT_EQ(error["message"], "tank/fs is being synced");
    EXPECT_EQ(error["data"]["kind"], "already_running");
    EXPECT_EQ(error["data"]["retryable"], true);
    EXPECT_EQ(error["data"]["remedy"], "wait for run-7");
    EXPECT_EQ(error["data"]["run_id"], "run-7");
}

TEST_F(Control, PassesDryRunOn) {
    auto client = this->client();
    client.call("pair.clear", R"({"dataset":"tank/fs","dry_run":true})");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.at(0).params["dry_run"], true); });
}

TEST_F(Control, ReadingSocketRefusesEveryMutationAndServesEveryReader) {
    auto client = client_of(daemon.read_socket());
    for (const Method& method : methods()) {
        const Json reply =
            client.call(std::string(method.name), kMethodTests.at(std::string(method.name)).params);
        if (!method.mutates()) {
            EXPECT_TRUE(reply.contains("result")) << method.name;
            continue;
        }
        EXPECT_EQ(reply["error"]["data"]["kind"], "access_denied") << method.name;
        EXPECT_NE(reply["error"]["data"]["remedy"], "") << method.name;
    }
    daemon.on_io([&] {
        for (const auto& seen : daemon.service.seen) EXPECT_EQ(seen.method, "pair.list");
    });
}

TEST_F(Control, AnswersRequestsOfOneConnectionInOrder) {
    auto client = this->client();
    std::string lines;
    for (int i = 0; i < 100; ++i) {
        lines += R"({"jsonrpc":"2.0","method":"daemon.version","id":)" + std::to_string(i) + "}\n";
    }
    ASSERT_TRUE(client.send(lines));
    for (int i = 0; i < 100; ++i) ASSERT_EQ(client.json()["id"], i);
}

TEST_F(Control, AnswersAClientThatClosesItsSendingSideAtOnce) {
    for (int i = 0; i < 50; ++i) {
        auto client = this->client();
        client.send(R"({"jsonrpc":"2.0","id":"x","method":"status.get"})"
                    "\n");
        client.finish_sending();
        ASSERT_EQ(client.json()["id"], "x") << i;
        ASSERT_TRUE(client.ends());
    }
}

TEST_F(Control, StatusOfAHundredPairsTakesUnderTenMilliseconds) {
    daemon.on_io([&] {
        daemon.service.pairs.clear();
        for (int i = 0; i < 100; ++i) {
            daemon.service.pairs.push_back(fake::healthy_pair("tank/fs" + std::to_string(i)));
        }
    });
    auto best = std::chrono::steady_clock::duration::max();
    daemon.on_io([&] {
        for (int i = 0; i < 20; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            const auto status = daemon.service.status({});
            const std::string line = rpc::reply_line(1, rpc::encode(*status));
            best = std::min(best, std::chrono::steady_clock::now() - begin);
            ASSERT_GT(line.size(), 10000U);
        }
    });
    // The promise is for optimised builds; others (sanitizers) only have to be sane.
#ifdef NDEBUG
    constexpr double kLimit = 0.010;
#else
    constexpr double kLimit = 0.200;
#endif
    EXPECT_LT(std::chrono::duration<double>(best).count(), kLimit);
}

TEST_F(Control, SocketsHaveTheirModes) {
    const auto mode = [](const std::string& path) {
        struct stat found = {};
        EXPECT_EQ(::stat(path.c_str(), &found), 0);
        return found.st_mode & 0777U;
    };
    EXPECT_EQ(mode(daemon.socket()), 0660U);
    EXPECT_EQ(mode(daemon.read_socket()), 0666U);
}

TEST_F(Control, RemovesItsSocketsAtTheEnd) {
    daemon.stop();
    EXPECT_FALSE(std::filesystem::exists(daemon.socket()));
    EXPECT_FALSE(std::filesystem::exists(daemon.read_socket()));
}

}  // namespace
}  // namespace zrepd::control
