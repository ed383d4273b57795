// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/fake_control.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdlib>
#include <future>

namespace zrepd::fake {

std::shared_ptr<void> FakeEvents::subscribe(Callback callback) {
    auto held = std::make_shared<Callback>(std::move(callback));
    callbacks_.push_back(held);
    return held;
}

void FakeEvents::publish(rpc::EventOut event) {
    event.seq = {++seq};
    event.time = "2026-03-01T12:00:00Z";
    std::erase_if(callbacks_, [&](const std::weak_ptr<Callback>& weak) {
        const auto callback = weak.lock();
        return !callback || !(*callback)(event);
    });
}

std::size_t FakeEvents::subscribers() const {
    std::size_t out = 0;
    for (const auto& weak : callbacks_) out += weak.expired() ? 0 : 1;
    return out;
}

Task<> FakeService::pass() {
    ++waiting;
    bool stop = false;
    while (closed && !stop) {
        co_await gate.wait();
        stop = co_await cancelled();
    }
    --waiting;
}

Task<Result<rpc::RunStarted>> FakeService::start() {
    co_await pass();
    if (fail_with) co_return *fail_with;
    if (on_start) on_start();
    co_return started;
}

Task<Result<rpc::Done>> FakeService::change(std::string step) {
    co_await pass();
    if (fail_with) co_return *fail_with;
    rpc::Done done;
    done.steps.push_back(std::move(step));
    done.notes.emplace_back("nothing else to do");
    co_return done;
}

Task<Result<rpc::RunStarted>> FakeService::init(rpc::InitIn in, Caller caller) {
    record("pair.init", in, caller);
    return start();
}
Task<Result<rpc::RunStarted>> FakeService::sync(rpc::SyncIn in, Caller caller) {
    record("pair.sync", in, caller);
    return start();
}
Task<Result<rpc::RunStarted>> FakeService::put_back(rpc::PutBackIn in, Caller caller) {
    record("pair.put_back", in, caller);
    return start();
}
Task<Result<rpc::RunStarted>> FakeService::refresh(rpc::SyncIn in, Caller caller) {
    record("pair.refresh", in, caller);
    return start();
}
Task<Result<rpc::RunStarted>> FakeService::expire(rpc::ExpireIn in, Caller caller) {
    record("pair.expire", in, caller);
    return start();
}

Task<Result<rpc::RunStarted>> FakeService::failover(rpc::RoleIn in, Caller caller) {
    record("pair.failover", in, caller);
    return start();
}

Task<Result<rpc::RunStarted>> FakeService::takeover(rpc::RoleIn in, Caller caller) {
    record("pair.takeover", in, caller);
    return start();
}

Task<Result<rpc::RunStarted>> FakeService::resolve(rpc::ResolveIn in, Caller caller) {
    record("pair.resolve", in, caller);
    return start();
}

Task<Result<rpc::RunStarted>> FakeService::unfence(rpc::UnfenceIn in, Caller caller) {
    record("pair.unfence", in, caller);
    return start();
}

Task<Result<rpc::RescueListOut>> FakeService::rescues(rpc::Empty, Caller) {
    co_return rpc::RescueListOut{};
}

Task<Result<rpc::RunStarted>> FakeService::drop(rpc::RescueDropIn in, Caller caller) {
    record("rescue.drop", in, caller);
    return start();
}

Task<Result<rpc::RescueDiffOut>> FakeService::rescue_diff(rpc::RescueDiffIn in, Caller caller) {
    record("rescue.diff", in, caller);
    rpc::RescueDiffOut out;
    out.dataset = in.dataset;
    co_return out;
}

Task<Result<rpc::DoctorOut>> FakeService::doctor(rpc::DoctorIn in, Caller caller) {
    record("doctor.run", in, caller);
    rpc::DoctorOut out;
    out.host = "alpha";
    for (const auto& host : in.hosts) {
        rpc::DoctorOut::Peer peer;
        peer.host = host;
        out.peers.push_back(std::move(peer));
    }
    co_return out;
}

Task<Result<rpc::RunStarted>> FakeService::drill(rpc::DrillIn in, Caller caller) {
    record("pair.drill", in, caller);
    return start();
}
Task<Result<rpc::Done>> FakeService::pause(rpc::PauseIn in, Caller caller) {
    record("pair.pause", in, caller);
    return change("pause " + in.datasets.front());
}
Task<Result<rpc::Done>> FakeService::unpause(rpc::UnpauseIn in, Caller caller) {
    record("pair.unpause", in, caller);
    return change("unpause " + in.datasets.front());
}
Task<Result<rpc::Done>> FakeService::clear(rpc::ClearIn in, Caller caller) {
    record("pair.clear", in, caller);
    return change("clear " + in.dataset);
}
Task<Result<rpc::Done>> FakeService::changeconfig(rpc::ConfigIn in, Caller caller) {
    record("pair.changeconfig", in, caller);
    return change("change " + in.dataset);
}
Task<Result<rpc::Done>> FakeService::set(rpc::SetIn in, Caller caller) {
    record("pair.set", in, caller);
    return change("set " + in.dataset);
}

Task<Result<rpc::ListOut>> FakeService::list(rpc::DatasetsIn in, Caller caller) {
    record("pair.list", in, caller);
    co_await pass();
    if (fail_with) co_return *fail_with;
    rpc::ListOut out;
    out.problem = problem;
    for (const auto& pair : pairs) {
        out.pairs.push_back({pair.dataset,
                             pair.role,
                             pair.peer,
                             pair.peer_dataset,
                             {{"zrep:interval", "1m"}},
                             pair.dataset + "@zrep_000001"});
    }
    co_return out;
}

Result<rpc::StatusOut> FakeService::status(const rpc::DatasetsIn& in) {
    rpc::StatusOut out{.host = "alpha",
                       .version = "0.1.0",
                       .time = "2026-03-01T12:00:00Z",
                       .problem = problem,
                       .pairs = pairs,
                       .abandoned = {}};
    if (in.datasets.empty()) return out;
    std::erase_if(out.pairs, [&](const auto& pair) { return pair.dataset != in.datasets.front(); });
    if (!out.pairs.empty()) return out;
    return Error{.code = Code::not_configured,
                 .message = in.datasets.front() + " is not part of a pair",
                 .remedy = "zrepctl list shows the pairs"};
}

Result<rpc::RunOut> FakeService::run(const rpc::RunIn& in) {
    if (on_run) on_run();
    const auto found = runs.find(in.run_id);
    if (found != runs.end()) return found->second;
    return Error{.code = Code::not_found, .message = "no run " + in.run_id};
}

FakeDaemon::FakeDaemon(control::ServerLimits limits)
    : server(io.get_executor(), service, events, limits), work_(asio::make_work_guard(io)) {
    thread_ = std::thread([this] { io.run(); });
    on_io([this] { listening = server.listen(dir); });
}

FakeDaemon::~FakeDaemon() {
    stop();
    work_.reset();
    thread_.join();
}

void FakeDaemon::stop() {
    if (stopped_) return;
    stopped_ = true;
    asio::co_spawn(io, server.stop(), asio::use_future).get();
}

void FakeDaemon::on_io(const std::function<void()>& action) {
    std::promise<void> done;
    asio::post(io, [&] {
        action();
        done.set_value();
    });
    done.get_future().get();
}

bool FakeDaemon::becomes(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    bool met = false;
    while (!met && std::chrono::steady_clock::now() < until) {
        on_io([&] { met = condition(); });
        if (!met) std::this_thread::yield();
    }
    return met;
}

rpc::PairStatus healthy_pair(std::string dataset) {
    rpc::PairStatus out;
    out.peer_dataset = "backup/" + dataset;
    out.last_acked = rpc::AckedSnapshot{
        dataset + "@zrep_000001", {12345678901234567890ULL}, "2026-03-01T11:58:00Z"};
    out.dataset = std::move(dataset);
    out.role = "master";
    out.epoch = 1;
    out.peer = "beta";
    out.peer_state = "connected";
    out.lag_seconds = 0;
    out.interval = "1m";
    out.next_run = "2026-03-01T12:00:40Z";
    out.health = "ok";
    return out;
}

rpc::EventOut progress_event(std::string run_id, std::string dataset, std::uint64_t bytes) {
    rpc::EventOut event;
    event.event = "run_progress";
    event.dataset = std::move(dataset);
    event.progress = rpc::Progress{std::move(run_id),
                                   "sending",
                                   bytes,
                                   1 << 20,
                                   "2026-03-01T12:00:00Z",
                                   "2026-03-01T12:00:01Z"};
    return event;
}

rpc::EventOut finished_event(rpc::RunOut run) {
    rpc::EventOut event;
    event.event = "run_finished";
    event.run = std::move(run);
    return event;
}

rpc::RunOut finished_run(std::string run_id, const std::vector<std::string>& datasets) {
    rpc::RunOut run{std::move(run_id), "sync", true, {}};
    for (const auto& dataset : datasets) {
        run.results.push_back({dataset,
                               "done",
                               "sent " + dataset + "@zrep_000002, 12.0 MiB in 1.2 s",
                               12 << 20,
                               false,
                               std::nullopt});
    }
    return run;
}

}  // namespace zrepd::fake
