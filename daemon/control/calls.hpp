// SPDX-License-Identifier: BSD-2-Clause
// Runs methods apart from the connection that asked, so that every call is answered in time and a
// client that leaves cancels nothing; and keeps replies by request_key.
// Thread: io thread. Errors: timed_out, busy, invalid_params (a key used for something else).
// Limits: kMaxLateCalls, kMaxRemembered, kRememberedFor (calls.cpp).
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/control/registry.hpp"

namespace zrepd::control {

class Calls {
  public:
    /// `tasks` owns what is under way and outlives this object's last call.
    Calls(asio::any_io_executor executor,
          Service& service,
          TaskGroup& tasks,
          std::chrono::milliseconds answer_limit);

    /// Runs the method and waits for its end, at most `answer_limit`. Beyond that it answers
    /// timed_out and the work goes on: stopping a mutation half-way would leave a state that nobody
    /// asked for. The same request_key of the same user within ten minutes gives the first call's
    /// outcome, also while that call is still at work. A failure that is worth another try
    /// (retryable) is not kept, nor an answer of a dry run once it was given.
    /// The access check is the caller's. A cancel leaves the method running.
    Task<Result<Json>> call(const Method* method, Json params, Caller caller);

  private:
    struct Call;
    struct Remembered {
        std::string key;
        std::size_t params_hash = 0;
        std::shared_ptr<Call> call;
        std::chrono::steady_clock::time_point at;
    };
    using CallPtr = std::shared_ptr<Call>;

    std::size_t& late(Access access) { return late_[static_cast<std::size_t>(access)]; }
    Result<CallPtr> begin(const Method& method, Json params, Caller caller);
    Task<> run(const Method* method, Json params, Caller caller, CallPtr call);
    Task<> wait(CallPtr call);
    Remembered* find(const std::string& key);
    void forget(const CallPtr& call);

    asio::any_io_executor executor_;
    Service& service_;
    TaskGroup& tasks_;
    std::chrono::milliseconds answer_limit_;
    std::deque<Remembered> remembered_;
    /// Of those with each access, whose answer was timed_out. Who may only read, which everybody
    /// may, never keeps out who operates.
    std::array<std::size_t, kAccesses> late_{};
};

}  // namespace zrepd::control
