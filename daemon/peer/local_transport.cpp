// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/local_transport.hpp"

namespace zrepd::peer {
namespace {

class LocalConnection : public Connection {
  public:
    LocalConnection(Channel channel, std::function<void()> on_end)
        : channel_(std::move(channel)), on_end_(std::move(on_end)) {}
    ~LocalConnection() override { on_end_(); }

    Channel take_channel() override { return std::move(channel_); }
    Task<Error> why() override {
        co_return Error{.code = Code::peer_unreachable,
                        .message = "this host's own peer server closed the connection",
                        .remedy =
                            "it is tried again by itself; if it stays, look at "
                            "`journalctl -u zrepd`"};
    }

  private:
    Channel channel_;
    std::function<void()> on_end_;
};

}  // namespace

Result<std::unique_ptr<Connection>> LocalTransport::open(const HostName&, Purpose) {
    Result<Pipe> there = make_pipe(kStreamPipeBytes);
    if (!there) return there.error();
    Result<Pipe> back = make_pipe();
    if (!back) return back.error();
    auto on_end = server_.serve_local({std::move(there->read), std::move(back->write)}, us_.str());
    return std::unique_ptr<Connection>(std::make_unique<LocalConnection>(
        Channel{std::move(back->read), std::move(there->write)}, std::move(on_end)));
}

}  // namespace zrepd::peer
