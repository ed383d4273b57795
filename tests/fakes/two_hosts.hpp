// SPDX-License-Identifier: BSD-2-Clause
// Two daemons in one process: everything of zrepd but ssh and the real ZFS. alpha has the pool
// tank, beta the pool backup, which accepts alpha. The peer protocol runs through real sockets and
// real `zrepctl peer` processes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/props.hpp"
#include "daemon/failover/copies.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/peer/server.hpp"
#include "daemon/sync/engine.hpp"
#include "daemon/sync/peer_words.hpp"
#include "daemon/sync/target.hpp"
#include "tests/fakes/fake_zfs.hpp"
#include "tests/fakes/peer_links.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::test {

/// One daemon. Members in the order of app.cpp.
struct TestHost {
    TestHost(asio::io_context& io,
             const std::string& name,
             const std::filesystem::path& runtime,
             const std::string& peer_socket)
        : config(make_config(name, runtime)),
          self{config.host},
          processes(io.get_executor()),
          zfs(io.get_executor()),
          inventory(io.get_executor(), zfs, self),
          locks(io.get_executor()),
          runs(events),
          sync{io.get_executor(), config, self, zfs, inventory, locks, runs, events},
          target(sync),
          server(io.get_executor(), target),
          relay(peer_socket, name),
          peer_words(io.get_executor(), events),
          peers(io.get_executor(),
                relay,
                [this](const HostName& host, peer::PeerState state, const Error* error) {
                    peer_words.tell(host, state, error);
                },
                {.look = {.every = std::chrono::milliseconds(300),
                          .pause = std::chrono::milliseconds(100)},
                 .unused = std::chrono::seconds(1)}),
          engine(sync, peers),
          roles({sync, engine, peers, processes}),
          copies({sync, engine, peers, processes}) {
        target.serve_roles(roles);
    }

    static config::Config make_config(const std::string& name,
                                      const std::filesystem::path& runtime) {
        // Of its own, as on a host of its own.
        std::filesystem::create_directories(runtime / name);
        return {.runtime_dir = runtime / name, .host = *HostName::parse(name)};
    }
    Task<> stop() {
        co_await roles.stop();
        co_await copies.stop();
        co_await engine.stop();
        co_await server.stop();
        co_await peers.stop();
    }

    config::Config config;
    plan::Self self;
    Processes processes;
    FakeZfs zfs;
    sync::Inventory inventory;
    lock::LockTable locks;
    sync::EventBus events;
    sync::Runs runs;
    sync::Parts sync;
    sync::Target target;
    peer::Server server;
    RelayTransport relay;
    sync::PeerWords peer_words;
    peer::Peers peers;
    sync::Engine engine;
    failover::Roles roles;
    failover::Copies copies;
};

class TwoHosts : public ::testing::Test {
  protected:
    TwoHosts() {
        std::signal(SIGPIPE, SIG_IGN);
        const std::string socket = directory / "beta.sock";
        alpha.emplace(io, "alpha", directory, socket);
        beta.emplace(io, "beta", directory, directory / "alpha.sock");
        EXPECT_TRUE(beta->server.listen(socket));
        EXPECT_TRUE(alpha->server.listen(directory / "alpha.sock"));
        alpha->zfs.create("tank").create("tank/fs");
        alpha->zfs.write("tank/fs", 100'000);
        beta->zfs.create("backup");
        beta->zfs.at("backup").props[std::string(prop::kAccept)] = {"alpha", Source::local};
    }
    ~TwoHosts() override {
        run_task(io, alpha->stop());
        run_task(io, beta->stop());
    }
    TwoHosts(const TwoHosts&) = delete;
    TwoHosts& operator=(const TwoHosts&) = delete;

    /// Makes the pair tank/fs → beta:backup/fs; how its run ended.
    rpc::RunResult init() {
        sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
        auto started = run_task(io, alpha->engine.start_init(std::move(request)));
        return ended(started);
    }
    rpc::RunResult sync() { return ended(alpha->engine.start_sync({fs}, sync::Freshness::listed)); }
    /// Waits for the end of a run of one dataset.
    rpc::RunResult ended(const Result<rpc::RunStarted>& started) {
        rpc::RunResult out;
        if (!started) {
            out.outcome = "not started";
            out.text = started.error().text();
            return out;
        }
        const sync::RunPtr run = alpha->runs.find(started->run_id);
        run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }

    const DatasetName fs = *DatasetName::parse("tank/fs");
    const DatasetName target_fs = *DatasetName::parse("backup/fs");
    TempFolder temp;
    std::filesystem::path directory = temp.path;
    asio::io_context io{1};
    std::optional<TestHost> alpha;
    std::optional<TestHost> beta;
};

}  // namespace zrepd::test
