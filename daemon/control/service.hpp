// SPDX-License-Identifier: BSD-2-Clause
// What the control socket can ask of the daemon. The method table (registry.cpp) maps names to
// these; the daemon implements them in daemon/service.cpp; component tests have a fake.
// Thread: io thread. Every call answers within 5 s: longer work is a run.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "common/rpc/control_types.hpp"
#include "common/rpc/doctor_types.hpp"
#include "common/rpc/event_types.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::control {

/// Ordered: who may operate may read. Members of the socket's group operate, root is admin.
enum class Access { read, operate, admin };
inline constexpr std::size_t kAccesses = 3;

/// Who calls, from SO_PEERCRED, and what its connection may do: root may only read on the socket
/// for that.
struct Caller {
    unsigned uid = 0;
    int pid = 0;
    Access access = Access::read;
};

class Service {
  public:
    virtual ~Service() = default;

    virtual Task<Result<rpc::RunStarted>> init(rpc::InitIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> sync(rpc::SyncIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> put_back(rpc::PutBackIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> refresh(rpc::SyncIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> expire(rpc::ExpireIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> failover(rpc::RoleIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> takeover(rpc::RoleIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> resolve(rpc::ResolveIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> unfence(rpc::UnfenceIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RescueListOut>> rescues(rpc::Empty in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> drop(rpc::RescueDropIn in, Caller caller) = 0;
    /// May take longer than 5 s: asked again with the same request_key, it answers what it found.
    virtual Task<Result<rpc::RescueDiffOut>> rescue_diff(rpc::RescueDiffIn in, Caller caller) = 0;
    /// As rescue_diff(): may take longer than 5 s. A host that does not answer is part of the
    /// answer.
    virtual Task<Result<rpc::DoctorOut>> doctor(rpc::DoctorIn in, Caller caller) = 0;
    virtual Task<Result<rpc::RunStarted>> drill(rpc::DrillIn in, Caller caller) = 0;
    virtual Task<Result<rpc::Done>> pause(rpc::PauseIn in, Caller caller) = 0;
    virtual Task<Result<rpc::Done>> unpause(rpc::UnpauseIn in, Caller caller) = 0;
    virtual Task<Result<rpc::Done>> clear(rpc::ClearIn in, Caller caller) = 0;
    virtual Task<Result<rpc::Done>> changeconfig(rpc::ConfigIn in, Caller caller) = 0;
    virtual Task<Result<rpc::Done>> set(rpc::SetIn in, Caller caller) = 0;

    virtual Task<Result<rpc::ListOut>> list(rpc::DatasetsIn in, Caller caller) = 0;
    /// From memory: starts no process and does not wait.
    virtual Result<rpc::StatusOut> status(const rpc::DatasetsIn& in) = 0;
    virtual Result<rpc::RunOut> run(const rpc::RunIn& in) = 0;
    virtual Result<rpc::EventsOut> events(const rpc::EventsIn& in) = 0;
    virtual rpc::VersionOut version() = 0;
    virtual rpc::Hello hello() = 0;
};

/// Where events come from. A subscriber's callback must not block; it is dropped when it returns
/// false (a client too slow to follow).
class EventSource {
  public:
    using Callback = std::function<bool(const rpc::EventOut&)>;
    virtual ~EventSource() = default;
    /// Events until the returned handle is destroyed.
    virtual std::shared_ptr<void> subscribe(Callback callback) = 0;
    virtual rpc::U64 last_seq() const = 0;
};

}  // namespace zrepd::control
