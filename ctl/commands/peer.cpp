// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl peer --as HOST [--socket PATH]`: run by ssh, never by hand. It tells the daemon who
// asks, so that a forced command in authorized_keys (command="zrepctl peer --as alpha") decides the
// name, and then only moves bytes.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "common/ids.hpp"
#include "common/rpc/message.hpp"
#include "ctl/commands/commands.hpp"
#include "ctl/relay.hpp"
#include "ctl/service_manager.hpp"

namespace zrepd {
namespace {

constexpr const char* kDefaultSocket = "/run/zrepd/peer.sock";
// The daemon answers from memory; longer means that it hangs.
constexpr int kAnswerMilliseconds = 10'000;
// A greeting and an empty reply; more is not our daemon.
constexpr std::size_t kMaxLine = std::size_t{64} << 10;
// Enough for a stream to flow while one side is not scheduled.
constexpr int kSocketBytes = 1 << 20;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Options {
    HostName host;
    std::string socket;
    /// Said by a zrepd that chose this command itself. The line of a key that is for this one
    /// command does not have it, and what its holder asks for instead is not looked at (ADR 0022).
    bool unrestricted = false;
};

void say(const std::string& text) {
    std::fprintf(stderr, "zrepctl peer: %s\n", text.c_str());
}

int usage(const std::string& problem) {
    say(problem);
    std::fprintf(stderr, "usage: zrepctl peer --as HOST [--socket PATH]\n");
    return kExitUsage;
}

Result<Options> parse(const std::vector<std::string>& args) {
    const auto wrong = [](std::string message) {
        return Error{.code = Code::invalid_params, .message = std::move(message)};
    };
    std::string host;
    std::string socket = kDefaultSocket;
    bool unrestricted = false;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (args[i] == "--unrestricted") {
            unrestricted = true;
            continue;
        }
        if (args[i] != "--as" && args[i] != "--socket") return wrong("unknown option " + args[i]);
        if (i + 1 == args.size()) return wrong(args[i] + " needs a value");
        (args[i] == "--as" ? host : socket) = args[i + 1];
        ++i;
    }
    if (host.empty()) return wrong("--as HOST is missing: the name of the host that asks");
    auto name = HostName::parse(host);
    if (!name) return name.error();
    return Options{std::move(*name), std::move(socket), unrestricted};
}

Error connect_error(const std::string& path, int error) {
    const std::string why = std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
    if (error == EACCES || error == EPERM) {
        return Error{.code = Code::access_denied,
                     .message = "no permission to use " + path,
                     .remedy = "log in as root, or as a member of the group zrepd"};
    }
    std::string start = "start it: ";  // in two steps: g++ 12 at -O2 takes one for an overflow
    start += ctl::service_manager::kStart;
    return Error{.code = Code::peer_no_zrepd,
                 .message = "zrepd is not running here: " + path + ": " + why,
                 .remedy = std::move(start)};
}

Result<int> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return connect_error(path, ENAMETOOLONG);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return connect_error(path, errno);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        const Error error = connect_error(path, errno);
        ::close(fd);
        return error;
    }
#ifdef SO_SNDBUFFORCE
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof kSocketBytes) == 0) {
        return fd;
    }
#endif
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
    return fd;
}

/// One line with its newline, taken from `buffered` and then the socket; nullopt when none comes.
std::optional<std::string> read_line(int fd, std::string& buffered) {
    std::array<char, 4096> chunk;
    while (true) {
        if (const auto newline = buffered.find('\n'); newline != std::string::npos) {
            std::string line = buffered.substr(0, newline + 1);
            buffered.erase(0, newline + 1);
            return line;
        }
        if (buffered.size() > kMaxLine) return std::nullopt;
        pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, kAnswerMilliseconds) <= 0) return std::nullopt;
        const ssize_t n = ::read(fd, chunk.data(), chunk.size());
        if (n <= 0) return std::nullopt;
        buffered.append(chunk.data(), static_cast<std::size_t>(n));
    }
}

struct Greeting {
    std::string line;  ///< what the far side gets to read first
    bool accepted = false;
};

/// Takes the greeting and says who asks. An error of the daemon goes to the far side in place of
/// the greeting, so that its own words arrive there.
Result<Greeting> introduce(int fd, const Options& options, std::string& buffered) {
    const Error silent{.code = Code::peer_no_zrepd,
                       .message = "zrepd does not answer on its peer socket",
                       .remedy = std::string("look at ") + ctl::service_manager::kLog};
    auto hello = read_line(fd, buffered);
    if (!hello) return silent;
    auto greeting = rpc::parse_message(*hello);
    if (!greeting || greeting->method != "hello") return Greeting{.line = *hello};
    Json params{{"host", options.host.short_name()}};
    if (options.unrestricted) params["unrestricted"] = true;
    const std::string request = rpc::request_line({0, "peer.identify", params});
    if (::write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
        return silent;
    }
    auto reply = read_line(fd, buffered);
    if (!reply) return silent;
    auto message = rpc::parse_message(*reply);
    if (!message) return message.error();
    if (message->error) return Greeting{.line = rpc::error_line(nullptr, *message->error)};
    return Greeting{.line = *hello, .accepted = true};
}

int fail(const Error& error) {
    say(error.text() + (error.remedy.empty() ? "" : "; " + error.remedy));
    return error.code == Code::peer_no_zrepd ? 3 : info(error.code).exit_status;
}

int refuse(const std::string& line) {
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) say("cannot write to stdout");
    return kExitFailed;
}

}  // namespace

int command_peer(const std::vector<std::string>& args) {
    auto options = parse(args);
    if (!options) return usage(options.error().message);
    std::signal(SIGPIPE, SIG_IGN);
    auto fd = connect_to(options->socket);
    if (!fd) return fail(fd.error());
    std::string buffered;
    auto greeting = introduce(*fd, *options, buffered);
    int status = 0;
    if (!greeting) {
        status = fail(greeting.error());
    } else if (!greeting->accepted) {
        status = refuse(greeting->line);
    } else {
        relay(STDIN_FILENO, STDOUT_FILENO, *fd, greeting->line + buffered);
    }
    ::close(*fd);
    return status;
}

}  // namespace zrepd
