// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/client.hpp"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/platform.hpp"
#include "common/text.hpp"
#include "common/version.hpp"
#include "ctl/service_manager.hpp"

namespace zrepd::ctl {
namespace {

// A daemon that takes no connection for this long hangs.
constexpr std::chrono::milliseconds kConnectLimit{10'000};
volatile std::sig_atomic_t interrupted = 0;  // the signal
std::vector<int> interrupts{SIGINT};

void on_interrupt(int number) {
    interrupted = number;
}

std::string look_and_restart() {
    return std::string("see why: ") + service_manager::kLog +
           "; then: " + service_manager::kRestart + " (interrupted streams are resumed)";
}

/// Who besides root may use the socket.
std::string members_of(const std::string& path) {
    struct stat found = {};
    if (::stat(path.c_str(), &found) != 0 || found.st_gid == 0) return "";
    const group* entry = ::getgrgid(found.st_gid);  // NOLINT(concurrency-mt-unsafe): one thread
    return entry == nullptr ? "" : std::string(" or as a member of the group ") + entry->gr_name;
}

Error unreachable(const std::string& path, int number) {
    if (number == EACCES || number == EPERM) {
        return Error{.code = Code::access_denied,
                     .message = "this user may not use " + path,
                     .remedy = "run it as root" + members_of(path)};
    }
    if (number == EAGAIN) {
        return Error{
            .code = Code::daemon_unreachable,
            .message = "zrepd takes no connection on " + path + ": too many wait, or it hangs",
            .remedy = "try again in a moment; if it lasts, " + look_and_restart(),
            .sys_errno = kSilent};
    }
    Error error{
        .code = Code::daemon_unreachable,
        .message = "zrepd is not running: " + path + ": " + std::strerror(number),  // NOLINT
        .remedy = std::string("start it: ") + service_manager::kStart};
    if (number == ENAMETOOLONG) error.remedy = "give the socket a shorter path";
    return error;
}

Error lost() {
    return Error{.code = Code::daemon_unreachable,
                 .message = "zrepd closed the connection",
                 .remedy = std::string("see whether it runs: ") + service_manager::kState};
}

Error unread() {
    return Error{.code = Code::io_error,
                 .message = "nobody reads standard output any more",
                 .sys_errno = EPIPE};
}

Error silent() {
    return Error{.code = Code::daemon_unreachable,
                 .message = "zrepd does not answer",
                 .remedy = look_and_restart(),
                 .sys_errno = kSilent};
}

Result<int> open_socket(const std::string& path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return unreachable(path, ENAMETOOLONG);
    path.copy(address.sun_path, path.size());
    const int fd = platform::unix_socket(SOCK_STREAM, /*nonblocking=*/false);
    if (fd < 0) return unreachable(path, errno);
    // On a Unix socket connect() waits only while the daemon's queue is full; the send timeout
    // bounds that too.
    const auto most = std::chrono::milliseconds(std::min(kConnectLimit, call_limit)).count();
    const timeval limit{.tv_sec = most / 1000, .tv_usec = most % 1000 * 1000};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int number = errno;
    ::close(fd);
    return unreachable(path, number);
}

/// As poll(2), until `until`; the signals that end waits get through only here. -1 with EPIPE: who
/// read `output` is gone.
int wait_readable(int fd, int output, std::chrono::steady_clock::time_point until) {
    const auto left = std::max(std::chrono::nanoseconds(0),
                               std::chrono::nanoseconds(until - std::chrono::steady_clock::now()));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec limit{.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
    sigset_t open;
    ::sigprocmask(SIG_BLOCK, nullptr, &open);  // NOLINT(concurrency-mt-unsafe): one thread
    for (const int number : interrupts) ::sigdelset(&open, number);
    pollfd waits[2] = {{.fd = fd, .events = POLLIN, .revents = 0},
                       {.fd = output, .events = 0, .revents = 0}};
    const int ready = ::ppoll(waits, 2, &limit, &open);
    // What is no open file at all (`>&-`) has no reader that could go.
    if (ready <= 0 || (waits[1].revents & (POLLERR | POLLHUP)) == 0) return ready;
    errno = EPIPE;
    return -1;
}

/// "/run/zrepd/zrepd.sock" → "/run/zrepd/zrepd-ro.sock".
std::string reading_socket(const std::string& path) {
    const std::string_view suffix = ".sock";
    if (!path.ends_with(suffix)) return path;
    return path.substr(0, path.size() - suffix.size()) + "-ro.sock";
}

}  // namespace

std::chrono::milliseconds call_limit{15'000};

void catch_interrupt(std::vector<int> others) {
    interrupts = std::move(others);
    interrupts.push_back(SIGINT);
    // Blocked but for the moment of waiting: it can arrive neither between a look at the flag and
    // the wait, nor in the middle of a line.
    sigset_t blocked;
    ::sigemptyset(&blocked);
    for (const int number : interrupts) ::sigaddset(&blocked, number);
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);  // NOLINT(concurrency-mt-unsafe): one thread
    struct sigaction action = {};
    action.sa_handler = on_interrupt;  // no SA_RESTART: ppoll() has to return
    for (const int number : interrupts) ::sigaction(number, &action, nullptr);
}

int interrupted_by() {
    return interrupted;
}

void end_by(int number) {
    std::signal(number, SIG_DFL);
    ::raise(number);
    sigset_t open;
    ::sigemptyset(&open);
    ::sigaddset(&open, number);
    ::sigprocmask(SIG_UNBLOCK, &open, nullptr);  // NOLINT(concurrency-mt-unsafe): one thread
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      next_id_(other.next_id_),
      buffer_(std::move(other.buffer_)),
      notifications_(std::move(other.notifications_)),
      hello_(std::move(other.hello_)) {}

Client::~Client() {
    if (fd_ >= 0) ::close(fd_);
}

Result<Client> Client::connect(const std::string& path, bool read_only) {
    auto fd = open_socket(path);
    if (!fd && read_only && fd.error().code == Code::access_denied) {
        fd = open_socket(reading_socket(path));
    }
    if (!fd) return fd.error();
    Client client(*fd);
    auto greeted = client.greet(path);
    if (!greeted) return greeted.error();
    return client;
}

Result<void> Client::greet(const std::string& path) {
    auto message = read_answer();
    if (!message) return message.error();
    if (message->error) return *message->error;
    if (message->method != "hello") {
        return Error{.code = Code::peer_protocol,
                     .message = "what listens on " + path + " is no zrepd: it does not say hello",
                     .remedy = "name zrepd's socket with --socket or ZREPD_SOCKET"};
    }
    auto hello = rpc::decode_as<rpc::Hello>(message->params, rpc::Strictness::reply);
    const auto major = [](std::string_view version) {
        return version.substr(0, version.find('.'));
    };
    if (!hello || major(hello->protocol) != major(rpc::kProtocol)) {
        return Error{.code = Code::peer_protocol,
                     .message = "zrepd " + (hello ? hello->version : "?") + " speaks protocol " +
                                (hello ? hello->protocol : "?") + ", zrepctl " +
                                std::string(kBuildVersion) + " speaks " +
                                std::string(rpc::kProtocol),
                     .remedy = "install the same version of both and restart zrepd"};
    }
    hello_ = std::move(*hello);
    return ok();
}

Result<rpc::Message> Client::read_message(std::chrono::milliseconds limit, int output) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
        const std::size_t end = buffer_.find('\n');
        if (end != buffer_.npos) {
            auto message = rpc::parse_message(std::string_view(buffer_).substr(0, end));
            buffer_.erase(0, end + 1);
            if (!message) return message.error();
            return message;
        }
        if (buffer_.size() > rpc::kMaxReplyLine) {
            return Error{.code = Code::parse_error,
                         .message = "the daemon's answer is longer than " +
                                    std::to_string(rpc::kMaxReplyLine >> 20U) + " MiB",
                         .remedy = "ask for fewer filesystems, by name"};
        }
        const int ready = wait_readable(fd_, output, until);
        if (interrupted != 0) return Error{.code = Code::cancelled, .message = "interrupted"};
        if (ready == 0) return Error{.code = Code::timed_out, .message = "zrepd does not answer"};
        if (ready < 0 && errno == EPIPE) return unread();
        char chunk[65536];
        const ssize_t got = ready < 0 ? -1 : ::recv(fd_, chunk, sizeof chunk, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return lost();
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }
}

Result<rpc::Message> Client::read_answer() {
    auto message = read_message(call_limit);
    if (!message && message.error().code == Code::timed_out) return silent();
    return message;
}

Result<Json> Client::call(const std::string& method, const Json& params) {
    const int id = next_id_++;
    const std::string line = rpc::request_line({.id = id, .method = method, .params = params});
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return silent();
        if (sent <= 0) return lost();
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    while (true) {
        auto message = read_answer();
        if (!message) return message.error();
        if (!message->id) {
            notifications_.push_back(std::move(*message));
        } else if (*message->id == id || message->id->is_null()) {
            if (message->error) return *message->error;
            return std::move(message->result);
        }
    }
}

Result<rpc::EventOut> Client::next_event(std::chrono::milliseconds limit, int output) {
    while (true) {
        rpc::Message message;
        if (!notifications_.empty()) {
            message = std::move(notifications_.front());
            notifications_.pop_front();
        } else {
            auto read = read_message(limit, output);
            if (!read) return read.error();
            message = std::move(*read);
        }
        if (message.method != "event") continue;
        return rpc::decode_as<rpc::EventOut>(message.params, rpc::Strictness::reply);
    }
}

}  // namespace zrepd::ctl
