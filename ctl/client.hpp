// SPDX-License-Identifier: BSD-2-Clause
// A blocking client of the control socket; every wait has a limit. Errors: daemon_unreachable (also
// when it does not answer), access_denied, peer_protocol (another major version), and what the
// daemon answers.
#pragma once

#include <cerrno>
#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"
#include "common/rpc/message.hpp"

namespace zrepd::ctl {

/// How long zrepctl waits for one answer. The daemon answers within 5 s; a loaded host gets some
/// more. Tests shorten it.
extern std::chrono::milliseconds call_limit;

/// A daemon that is there and says nothing is daemon_unreachable too, with this in sys_errno: what
/// it works on goes on.
inline constexpr int kSilent = ETIMEDOUT;

class Client {
  public:
    static constexpr int kNoOutput = -1;  ///< poll(2) leaves it out

    /// Connects and reads the greeting. With `read_only`, falls back to the read-only socket beside
    /// `path` when this user may not use the main one.
    static Result<Client> connect(const std::string& path, bool read_only);
    Client(Client&& other) noexcept;
    Client& operator=(Client&&) = delete;
    ~Client();

    Result<Json> call(const std::string& method, const Json& params);
    template <class Out, class In>
    Result<Out> call_as(const std::string& method, const In& in) {
        auto reply = call(method, rpc::encode(in));
        if (!reply) return reply.error();
        return rpc::decode_as<Out>(*reply, rpc::Strictness::reply);
    }
    /// The next event, or timed_out; cancelled after SIGINT. io_error with EPIPE as soon as nobody
    /// is left to read what is written to `output`; kNoOutput: that is not looked at.
    Result<rpc::EventOut> next_event(std::chrono::milliseconds limit, int output = kNoOutput);
    const rpc::Hello& hello() const { return hello_; }

    /// To wait on together with others; what next_event() has read already is not seen there.
    int fd() const { return fd_; }

  private:
    explicit Client(int fd) : fd_(fd) {}
    /// timed_out when nothing comes.
    Result<rpc::Message> read_message(std::chrono::milliseconds limit, int output = kNoOutput);
    /// The same where something has to come.
    Result<rpc::Message> read_answer();
    Result<void> greet(const std::string& path);

    int fd_ = -1;
    int next_id_ = 1;
    std::string buffer_;
    std::deque<rpc::Message> notifications_;
    rpc::Hello hello_;
};

/// From now on SIGINT, and these others, make waits return `cancelled` instead of ending the
/// program.
void catch_interrupt(std::vector<int> others = {});
/// Which of them has come; 0: none.
int interrupted_by();
/// Ends the program by a signal that was caught, as if it had not been.
void end_by(int number);

}  // namespace zrepd::ctl
