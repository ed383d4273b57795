// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/app.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>

#include "common/version.hpp"
#include "daemon/control/server.hpp"
#include "daemon/exit_status.hpp"
#include "daemon/failover/event_hooks.hpp"
#include "daemon/failover/hook_files.hpp"
#include "daemon/hangups.hpp"
#include "daemon/helper_processes.hpp"
#include "daemon/host_mounts.hpp"
#include "daemon/lock/lockfile.hpp"
#include "daemon/log.hpp"
#include "daemon/metrics/exporter.hpp"
#include "daemon/notify.hpp"
#include "daemon/peer/local_transport.hpp"
#include "daemon/peer/route.hpp"
#include "daemon/peer/ssh_transport.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/legacy_locks.hpp"
#include "daemon/sync/peer_words.hpp"
#include "daemon/sync/target.hpp"
#include "daemon/zfs/subprocess.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

// SIGTERM to exit, running streams included; systemd's own limit is longer.
constexpr std::chrono::seconds kStopLimit{5};

Result<void> make_runtime_dir(const std::filesystem::path& dir) {
    if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) {
        return Error{.code = Code::io_error,
                     .message = "cannot create " + dir.string(),
                     .remedy = "run zrepd as root, or set runtime-dir",
                     .sys_errno = errno};
    }
    return ok();
}

/// As many as the system lets us have, at most what the service has (LimitNOFILE): a shell gives
/// 1,024, and more to who asks.
std::size_t allowed_descriptors() {
    constexpr rlim_t kWanted = 16384;
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = std::max(before, std::min(limit.rlim_max, kWanted));
    const bool raised = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
    return static_cast<std::size_t>(raised ? limit.rlim_cur : before);
}

}  // namespace

/// Built top to bottom, destroyed bottom to top.
struct App::Parts {
    explicit Parts(config::Config settings)
        : config(std::move(settings)),
          self{config.host},
          hangups(io.get_executor()),
          processes(io.get_executor()),
          zfs(processes),
          inventory(io.get_executor(), zfs, self),
          locks(io.get_executor()),
          runs(events),
          sync{io.get_executor(), config, self, zfs, inventory, locks, runs, events},
          target(sync),
          peer_server(io.get_executor(), target),
          local(peer_server, self.host),
          helpers(processes),
          ssh(helpers,
              config.runtime_dir / "ssh",
              self.host,
              {.config_file = config.ssh_config, .user = config.ssh_user}),
          route(self, local, ssh),
          peer_words(io.get_executor(), events),
          peers(io.get_executor(),
                route,
                [this](const HostName& host, peer::PeerState state, const Error* error) {
                    peer_words.tell(host, state, error);
                }),
          engine(sync, peers),
          roles({sync, engine, peers, processes}),
          copies({sync, engine, peers, processes}),
          scheduler(sync, engine, peers),
          event_hooks(io.get_executor(), events, processes, config),
          tasks(io.get_executor()) {}

    Result<void> start();
    Task<> run_roles();
    Task<> watch_pools();
    std::string status_line() const;
    Task<> stop();

    config::Config config;
    plan::Self self;
    asio::io_context io{1};
    Hangups hangups;            // before anything that takes its time
    Processes processes;        // every child of ours
    ZfsCli zfs;                 // the one door to ZFS
    sync::Inventory inventory;  // what we last saw there
    lock::LockTable locks;      // who works on what
    sync::EventBus events;      // for subscribers
    sync::Runs runs;            // what is under way
    sync::Parts sync;
    sync::Target target;  // what peers may do here
    peer::Server peer_server;
    peer::LocalTransport local;
    HelperProcesses helpers;
    peer::SshTransport ssh;
    peer::Route route;
    sync::PeerWords peer_words;  // what is said of them
    peer::Peers peers;           // what we do on them
    sync::Engine engine;
    failover::Roles roles;    // who is master
    failover::Copies copies;  // what stands beside a filesystem
    sched::Scheduler scheduler;
    failover::EventHooks event_hooks;  // who is told of events
    std::unique_ptr<DaemonService> service;
    std::unique_ptr<control::Server> control;
    std::unique_ptr<metrics::Exporter> exporter;  // what monitoring is told
    Notifier manager = Notifier::from_environment();
    control::PassedSockets passed = control::PassedSockets::from_environment();
    TaskGroup tasks;  // scheduler, roles, event watcher
    bool stopped_in_time = true;
};

App::App(config::Config config) : config_(std::move(config)) {}
App::~App() = default;

Result<void> App::Parts::start() {
    host_mounts::take(passed, manager, processes);
    target.serve_roles(roles);
    scheduler.hold_back([this](const DatasetName& name) { return roles.is_unsettled(name); });
    service = std::make_unique<DaemonService>(
        sync, engine, roles, copies, scheduler, peers, processes, zfs.version());
    control = std::make_unique<control::Server>(
        io.get_executor(), *service, events, control::limits_within(allowed_descriptors()));
    auto peer_listens = peer_server.listen(config.runtime_dir / "peer.sock");
    if (!peer_listens) return peer_listens;
    auto listens = control->listen(config.runtime_dir, std::move(passed));
    if (!listens) return listens;
    event_hooks.start();
    exporter =
        std::make_unique<metrics::Exporter>(io.get_executor(), config, *service, runs, processes);
    exporter->start();
    tasks.spawn("scheduler", scheduler.run());
    tasks.spawn("roles", run_roles());
    tasks.spawn("copies", copies.run());
    tasks.spawn("what is wrong", service->watch());
    tasks.spawn("stale locks", sync::clear_stale_locks(sync));
    tasks.spawn("pool events", watch_pools());
    tasks.spawn("hangups", hangups.run());
    tasks.spawn("service manager", manager.run([this] { return status_line(); }));
    manager.ready();
    log::event(log::Level::info,
               "started",
               {{"version", std::string(kBuildVersion)},
                {"host", self.host.str()},
                {"zfs", service->version().zfs},
                {"runtime_dir", config.runtime_dir.string()}});
    tell_zfs_faults(service->version().zfs);
    // Better known now than at the failover that it refuses; syncs need no hook.
    if (auto hooks = failover::check_hooks(config); !hooks) {
        log::event(log::Level::warn,
                   "hooks_unusable",
                   {{"error", hooks.error().text()}, {"next", hooks.error().remedy}});
    }
    return ok();
}

/// What is mounted tells who was served; a look that a kill left there is none of that.
Task<> App::Parts::run_roles() {
    co_await copies.end_left_looks();
    co_await roles.run();
}

Task<> App::Parts::watch_pools() {
    co_await zfs.watch([this](Change change) { inventory.note(change); });
}

/// What `systemctl status` shows at a glance; zrepctl has the rest.
std::string App::Parts::status_line() const {
    const auto pairs = inventory.pairs();
    const auto failed = std::count_if(pairs.begin(), pairs.end(), [this](const auto& pair) {
        const auto* memory = runs.remembered(pair.dataset);
        return memory != nullptr && memory->error;
    });
    std::string out = std::to_string(pairs.size()) + (pairs.size() == 1 ? " pair, " : " pairs, ") +
                      std::to_string(runs.active_count()) + " running";
    if (failed > 0)
        out += "; the last run of " + std::to_string(failed) + " failed: zrepctl status";
    return out;
}

/// Nothing new first, then what runs, then the links it ran over.
Task<> App::Parts::stop() {
    manager.stopping();
    log::event(log::Level::info, "stopping", {{"runs", std::to_string(runs.active_count())}});
    tasks.cancel();
    event_hooks.cancel();
    if (exporter) co_await exporter->stop();
    co_await control->stop();
    co_await roles.stop();
    co_await copies.stop();
    co_await engine.stop();
    co_await peer_server.stop();
    co_await peers.stop();
    co_await event_hooks.join();
    co_await tasks.join();
    io.stop();
}

Result<void> App::run() {
    ::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error value here
    auto dir = make_runtime_dir(config_.runtime_dir);
    if (!dir) return dir;
    // First of all: everything below replaces what an earlier daemon left in the directory.
    auto lock = lock::take_daemon_lock(config_.runtime_dir / "zrepd.lock");
    if (!lock) return lock.error();
    parts_ = std::make_unique<Parts>(config_);
    Parts& p = *parts_;
    bool bug = false;
    TaskGroup::on_bug([&](std::string_view name, std::string_view what) {
        log::event(log::Level::critical,
                   "bug",
                   {{"task", std::string(name)}, {"what", std::string(what)}});
        bug = true;
        ::raise(SIGTERM);
    });
    TaskGroup stopping(p.io.get_executor());
    auto started = p.start();
    if (!started) {
        // What did start is in the middle of something: it ends as it would at any stop.
        stopping.spawn("stop", p.stop());
        p.io.run();
        lock::give_back(*lock);
        return started;
    }
    asio::signal_set signals(p.io, SIGTERM, SIGINT);
    asio::steady_timer limit(p.io);
    signals.async_wait([&](const boost::system::error_code& ec, int) {
        if (ec) return;
        stopping.spawn("stop", p.stop());
        limit.expires_after(kStopLimit);
        limit.async_wait([](const boost::system::error_code& late) {
            if (late) return;
            // Children die with us (PDEATHSIG), and a stream cut now is resumed after the start.
            log::event(log::Level::critical, "stop_timed_out");
            log::flush();
            ::_exit(kCouldNot);
        });
    });
    p.io.run();
    lock::give_back(*lock);
    log::event(log::Level::info, "stopped");
    if (bug) return Error{.code = Code::internal, .message = "stopped after a bug; see the log"};
    return ok();
}

}  // namespace zrepd
