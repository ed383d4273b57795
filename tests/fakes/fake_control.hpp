// SPDX-License-Identifier: BSD-2-Clause
// A daemon without ZFS: the real control server over a service that records and fails on demand.
// The server has a thread of its own; the members of the fakes are touched through on_io() only.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/control/server.hpp"

#include "tests/fakes/temp_folder.hpp"

namespace zrepd::fake {

class FakeEvents : public control::EventSource {
  public:
    std::shared_ptr<void> subscribe(Callback callback) override;
    rpc::U64 last_seq() const override { return {seq}; }

    void publish(rpc::EventOut event);
    std::size_t subscribers() const;

    std::uint64_t seq = 0;

  private:
    std::vector<std::weak_ptr<Callback>> callbacks_;
};

class FakeService : public control::Service {
  public:
    using Caller = control::Caller;
    explicit FakeService(asio::any_io_executor executor) : gate(std::move(executor)) {}

    Task<Result<rpc::RunStarted>> init(rpc::InitIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> sync(rpc::SyncIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> put_back(rpc::PutBackIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> refresh(rpc::SyncIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> expire(rpc::ExpireIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> failover(rpc::RoleIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> takeover(rpc::RoleIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> resolve(rpc::ResolveIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> unfence(rpc::UnfenceIn in, Caller caller) override;
    Task<Result<rpc::RescueListOut>> rescues(rpc::Empty in, Caller caller) override;
    Task<Result<rpc::RescueDiffOut>> rescue_diff(rpc::RescueDiffIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> drop(rpc::RescueDropIn in, Caller caller) override;
    Task<Result<rpc::DoctorOut>> doctor(rpc::DoctorIn in, Caller caller) override;
    Task<Result<rpc::RunStarted>> drill(rpc::DrillIn in, Caller caller) override;
    Task<Result<rpc::Done>> pause(rpc::PauseIn in, Caller caller) override;
    Task<Result<rpc::Done>> unpause(rpc::UnpauseIn in, Caller caller) override;
    Task<Result<rpc::Done>> clear(rpc::ClearIn in, Caller caller) override;
    Task<Result<rpc::Done>> changeconfig(rpc::ConfigIn in, Caller caller) override;
    Task<Result<rpc::Done>> set(rpc::SetIn in, Caller caller) override;
    Task<Result<rpc::ListOut>> list(rpc::DatasetsIn in, Caller caller) override;
    Result<rpc::StatusOut> status(const rpc::DatasetsIn& in) override;
    Result<rpc::RunOut> run(const rpc::RunIn& in) override;
    Result<rpc::EventsOut> events(const rpc::EventsIn&) override {
        rpc::EventOut event;
        event.event = "peer_up";
        rpc::EventsOut out;
        out.events.push_back(event);
        return out;
    }
    rpc::VersionOut version() override { return {"0.1.0", "1.0", "2.3.0", "alpha"}; }
    rpc::Hello hello() override { return {"1.0", "0.1.0", "alpha", "boot-1", {}, ""}; }

    struct Seen {
        std::string method;
        Json params;
        Caller caller;
    };
    std::vector<Seen> seen;          ///< mutations and pair.list, in order
    std::optional<Error> fail_with;  ///< the answer of all of them
    bool closed = false;             ///< they wait until open()
    rpc::RunStarted started{.run_id = "run-1", .joined = {}, .steps = {}, .note = {}};
    std::function<void()> on_start;  ///< after a run was started, before the answer
    std::function<void()> on_run;    ///< when a run is asked for; may block the server's thread
    std::vector<rpc::PairStatus> pairs;
    std::optional<rpc::Trouble> problem;
    std::map<std::string, rpc::RunOut> runs;

    void open() {
        closed = false;
        gate.notify();
    }
    std::size_t waiting = 0;

  private:
    Task<> pass();
    template <class In>
    void record(const char* method, const In& in, Caller caller) {
        seen.push_back({method, rpc::encode(in), caller});
    }
    Task<Result<rpc::RunStarted>> start();
    Task<Result<rpc::Done>> change(std::string step);
    Signal gate;
};

/// Begins to serve when it is made, in a directory of its own.
class FakeDaemon {
  public:
    explicit FakeDaemon(control::ServerLimits limits = {});
    ~FakeDaemon();
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;

    std::string socket() const { return (dir / control::kSocketName).string(); }
    std::string read_socket() const { return (dir / control::kReadSocketName).string(); }
    /// Runs it on the server's thread and waits for it.
    void on_io(const std::function<void()>& action);
    /// Asks on the server's thread until it is true; false after 10 s.
    bool becomes(const std::function<bool()>& condition);
    /// As the daemon does at its end; clients are cut off.
    void stop();

    test::TempFolder temp;
    std::filesystem::path dir = temp.path;
    asio::io_context io{1};
    FakeEvents events;
    FakeService service{io.get_executor()};
    control::Server server;
    Result<void> listening = ok();

  private:
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
    bool stopped_ = false;
};

/// A pair that is well.
rpc::PairStatus healthy_pair(std::string dataset);
rpc::EventOut progress_event(std::string run_id, std::string dataset, std::uint64_t bytes);
rpc::EventOut finished_event(rpc::RunOut run);
/// A run's outcome with one result per dataset, all done.
rpc::RunOut finished_run(std::string run_id, const std::vector<std::string>& datasets);

}  // namespace zrepd::fake
