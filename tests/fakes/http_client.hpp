// SPDX-License-Identifier: BSD-2-Clause
// An HTTP client that sends any bytes and never blocks: for a server on the test's own event loop.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "daemon/async/fd.hpp"

namespace zrepd::fake {

class HttpClient {
  public:
    /// Of a Unix socket.
    explicit HttpClient(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    /// Of a port of 127.0.0.1.
    explicit HttpClient(std::uint16_t port)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const sockaddr_in address = loopback(port);
        connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }

    /// One that nobody listens on, and nobody else is given soon.
    static std::uint16_t free_port() {
        const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        return ntohs(address.sin_port);
    }

    bool connected() const { return connected_; }
    void send(std::string_view bytes) {
        ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    /// Takes what has come; true once the server has closed.
    bool ended() {
        char chunk[65536];
        while (true) {
            const ssize_t got = ::recv(fd_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
            if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
            reset_ = got < 0;
            if (got <= 0) return true;
            text_.append(chunk, static_cast<std::size_t>(got));
        }
    }
    const std::string& text() const { return text_; }
    bool was_reset() const { return reset_; }

  private:
    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in out = {};
        out.sin_family = AF_INET;
        out.sin_port = htons(port);
        out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return out;
    }
    void connect(const sockaddr* address, socklen_t size) {
        connected_ = ::connect(fd_.get(), address, size) == 0;
    }

    Fd fd_;
    bool connected_ = false;
    bool reset_ = false;
    std::string text_;
};

}  // namespace zrepd::fake
