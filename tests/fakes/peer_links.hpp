// SPDX-License-Identifier: BSD-2-Clause
// Ways to a peer for tests: through a real `zrepctl peer` process, or to a scripted one that
// misbehaves as told.
#pragma once

#include <gtest/gtest.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/peer/ssh_errors.hpp"
#include "daemon/peer/transport.hpp"
#include "daemon/peer/wire.hpp"

namespace zrepd::test {

/// Both ends of two pipes.
struct Link {
    Channel ours;
    Channel theirs;
};

inline Link make_link() {
    auto there = make_pipe();
    auto back = make_pipe();
    return {{std::move(back->read), std::move(there->write)},
            {std::move(there->read), std::move(back->write)}};
}

/// Each connection is a child process, a `zrepctl peer`, as ssh would start it.
class RelayTransport : public peer::Transport {
  public:
    explicit RelayTransport(std::string socket, std::string as = "alpha")
        : socket_(std::move(socket)), as_(std::move(as)) {}

    Result<std::unique_ptr<peer::Connection>> open(const HostName& host, peer::Purpose) override {
        Link link = make_link();
        ++opened[host.str()];
        if (away.contains(host.str()))
            return std::unique_ptr<peer::Connection>(
                std::make_unique<Away>(std::move(link.ours), why_away(host.str())));
        if (greetings.contains(host.str())) return greeted(host.str(), std::move(link));
        if (silent.contains(host.str())) {
            silent_ends_.push_back(std::move(link.theirs));
            return std::unique_ptr<peer::Connection>(
                std::make_unique<Silent>(std::move(link.ours)));
        }
        const pid_t child = start(host.str(), link.theirs);
        children.push_back(child);
        return std::unique_ptr<peer::Connection>(
            std::make_unique<Relay>(host.str(), std::move(link.ours), child));
    }

    bool restricted = false;  ///< as with a key that is for this command alone
    std::vector<pid_t> children;
    std::map<std::string, int> opened;           ///< connections tried, by host
    std::map<std::string, Code> away;            ///< hosts that cannot be reached, and why
    std::map<std::string, std::string> sockets;  ///< hosts that are not behind `socket`
    std::set<std::string> silent;  ///< hosts that take a connection and never say a word
    std::map<std::string, std::string> greetings;  ///< hosts that say this line, and no more

  private:
    /// A program of its own: what is forked while the streams of FakeZfs have threads may hang.
    pid_t start(const std::string& host, const Channel& ends) const {
        const auto own = sockets.find(host);
        std::vector<std::string> words{ZREPD_BINARY_DIR "/ctl/zrepctl",
                                       "peer",
                                       "--as",
                                       as_,
                                       "--socket",
                                       own == sockets.end() ? socket_ : own->second};
        if (!restricted) words.emplace_back("--unrestricted");
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, ends.in.get(), STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, ends.out.get(), STDOUT_FILENO);
        pid_t child = -1;
        EXPECT_EQ(::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ), 0)
            << argv[0];
        ::posix_spawn_file_actions_destroy(&actions);
        return child;
    }
    /// As ssh says it, where that is the reason.
    Error why_away(const std::string& host) {
        const Code code = away[host];
        if (code == Code::peer_auth)
            return peer::translate_ssh_failure(
                host, as_, "", 255, "root@" + host + ": Permission denied (publickey).");
        return {.code = code, .message = "it cannot be reached", .remedy = "look at the line"};
    }
    std::unique_ptr<peer::Connection> greeted(const std::string& host, Link link) {
        const std::string& line = greetings[host];
        const ssize_t written = ::write(link.theirs.out.get(), line.data(), line.size());
        EXPECT_EQ(written, static_cast<ssize_t>(line.size()));
        silent_ends_.push_back(std::move(link.theirs));
        return std::make_unique<Silent>(std::move(link.ours));
    }
    class Silent : public peer::Connection {
      public:
        explicit Silent(Channel channel) : channel_(std::move(channel)) {}
        Channel take_channel() override { return std::move(channel_); }
        Task<Error> why() override {
            co_return Error{.code = Code::peer_unreachable, .message = "it says nothing"};
        }

      private:
        Channel channel_;
    };
    class Away : public peer::Connection {
      public:
        Away(Channel channel, Error why) : channel_(std::move(channel)), why_(std::move(why)) {}
        Channel take_channel() override { return std::move(channel_); }
        Task<Error> why() override { co_return why_; }

      private:
        Channel channel_;
        Error why_;
    };
    class Relay : public peer::Connection {
      public:
        Relay(std::string host, Channel channel, pid_t child)
            : host_(std::move(host)), channel_(std::move(channel)), child_(child) {}
        Relay(const Relay&) = delete;
        Relay& operator=(const Relay&) = delete;
        ~Relay() override {
            if (reaped_) return;
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        Channel take_channel() override { return std::move(channel_); }
        Task<Error> why() override {
            int status = 0;
            reaped_ = ::waitpid(child_, &status, 0) == child_;
            co_return peer::translate_ssh_failure(host_, "alpha", "", WEXITSTATUS(status), "");
        }

      private:
        std::string host_;
        Channel channel_;
        pid_t child_;
        bool reaped_ = false;
    };

    std::string socket_;
    std::string as_;
    std::vector<Channel> silent_ends_;
};

/// A peer that writes `first` and then answers each line it gets with what `answer` returns;
/// nullopt ends the connection. On a slow link an answer comes in pieces, one each `pause`.
struct Script {
    std::string first = {};
    std::function<std::optional<std::string>(std::string line)> answer = [](std::string) {
        return std::string();
    };
    bool end_after_first = false;
    std::size_t piece = std::size_t{1} << 20;
    std::chrono::milliseconds pause{0};
};

class ScriptedTransport : public peer::Transport {
  public:
    ScriptedTransport(asio::any_io_executor executor, Script script)
        : tasks(executor), script_(std::move(script)), executor_(executor) {}

    Result<std::unique_ptr<peer::Connection>> open(const HostName&, peer::Purpose) override {
        Link link = make_link();
        ++opened;
        tasks.spawn("scripted peer", play(std::move(link.theirs)));
        return std::unique_ptr<peer::Connection>(std::make_unique<Scripted>(std::move(link.ours)));
    }

    int opened = 0;
    TaskGroup tasks;

  private:
    class Scripted : public peer::Connection {
      public:
        explicit Scripted(Channel channel) : channel_(std::move(channel)) {}
        Channel take_channel() override { return std::move(channel_); }
        Task<Error> why() override {
            co_return Error{.code = Code::peer_unreachable, .message = "the script ended"};
        }

      private:
        Channel channel_;
    };

    Task<> play(Channel channel) {
        peer::LineReader reader(executor_, std::move(channel.in));
        Fd out = std::move(channel.out);
        write_all(out, script_.first);
        while (!script_.end_after_first) {
            Result<std::optional<std::string>> line = co_await reader.read_line({});
            if (!line || !*line) break;
            const std::optional<std::string> reply = script_.answer(**line);
            if (!reply) co_return;
            for (std::size_t at = 0; at < reply->size(); at += script_.piece) {
                if (at > 0) co_await sleep_for(script_.pause);
                write_all(out, reply->substr(at, script_.piece));
            }
        }
        // Nothing more is read, but our side stays open, as that of a peer that hangs.
        Signal never(executor_);
        while (!script_.end_after_first) {
            const bool stop = co_await cancelled();
            if (stop) co_return;
            co_await never.wait();
        }
    }
    static void write_all(const Fd& out, const std::string& text) {
        if (::write(out.get(), text.data(), text.size()) < 0) return;
    }

    Script script_;
    asio::any_io_executor executor_;
};

}  // namespace zrepd::test
