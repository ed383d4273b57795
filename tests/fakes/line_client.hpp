// SPDX-License-Identifier: BSD-2-Clause
// A blocking client that sends any bytes and reads lines, every wait bounded.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd::fake {

class LineClient {
  public:
    explicit LineClient(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        connected_ =
            ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }

    bool connected() const { return connected_; }
    int fd() const { return fd_.get(); }

    /// False when the other side closed; bounded by 10 s without progress.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            pollfd wait{fd_.get(), POLLOUT, 0};
            if (::poll(&wait, 1, kLimitMs) <= 0) return false;
            const ssize_t sent =
                ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EAGAIN) continue;
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }

    /// The next line; nullopt at the end of input or after 10 s.
    std::optional<std::string> line() {
        while (true) {
            const std::size_t end = buffer_.find('\n');
            if (end != buffer_.npos) {
                std::string out = buffer_.substr(0, end);
                buffer_.erase(0, end + 1);
                return out;
            }
            if (!fill()) return std::nullopt;
        }
    }
    /// The next line as JSON; null when there is none.
    Json json() {
        const auto text = line();
        return text ? Json::parse(*text, nullptr, false) : Json();
    }
    /// Sends a request with this id and returns the reply to it, events skipped.
    Json call(const std::string& method, const std::string& params = "{}", int id = 1) {
        send("{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":\"" + method +
             "\",\"params\":" + params + "}\n");
        while (true) {
            Json message = json();
            if (!message.is_object() || message.contains("id")) return message;
        }
    }
    /// True when the server closes, whatever it sends before; bounded.
    bool ends() {
        while (line()) {
        }
        return ended_;
    }

  private:
    static constexpr int kLimitMs = 10'000;

    bool fill() {
        pollfd wait{fd_.get(), POLLIN, 0};
        if (::poll(&wait, 1, kLimitMs) <= 0) return false;
        char chunk[65536];
        const ssize_t got = ::recv(fd_.get(), chunk, sizeof chunk, 0);
        ended_ = got == 0 || (got < 0 && errno == ECONNRESET);
        if (got <= 0) return false;
        buffer_.append(chunk, static_cast<std::size_t>(got));
        return true;
    }

    Fd fd_;
    bool connected_ = false;
    bool ended_ = false;
    std::string buffer_;
};

/// A connected client that has read its greeting.
inline LineClient greeted(const std::string& path) {
    LineClient out(path);
    EXPECT_TRUE(out.connected());
    EXPECT_EQ(out.json()["method"], "hello");
    return out;
}

}  // namespace zrepd::fake
