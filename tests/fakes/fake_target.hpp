// SPDX-License-Identifier: BSD-2-Clause
// A TargetService that records what it is asked and answers as told, for tests of the peer
// protocol.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/peer/server.hpp"
#include "daemon/stream/pump.hpp"

namespace zrepd::test {

class FakeTarget : public peer::TargetService {
  public:
    explicit FakeTarget(asio::any_io_executor executor) : commits_(executor) {}

    // What to answer.
    rpc::Hello greeting{.protocol = "1.0",
                        .version = "0.1.0",
                        .host = "beta",
                        .boot_id = "boot",
                        .capabilities = {},
                        .access = "peer"};
    std::optional<Error> refuse_stream;     ///< the answer to stream.receive
    std::optional<Error> fail_after_bytes;  ///< receive() gives up with it …
    std::uint64_t fail_at = 0;              ///< … once it saw this many bytes
    std::optional<Error> refuse_expire;
    std::chrono::milliseconds look_takes{0};
    std::size_t look_says_bytes = 0;  ///< of each target
    bool hold_commits = false;        ///< peer.commit waits for release_commits()

    // What was asked.
    std::vector<std::string> calls;
    std::uint64_t received_bytes = 0;
    bool received_direct = false;
    bool receive_was_blocking = false;

    void release_commits() {
        hold_commits = false;
        commits_.notify();
    }

    rpc::Hello hello() override { return greeting; }

    Task<Result<rpc::LookOut>> look(std::string peer, rpc::LookIn in) override {
        calls.push_back("look from " + peer);
        co_await sleep_for(look_takes);
        rpc::LookOut out;
        for (const auto& pair : in.pairs) {
            rpc::TargetState state;
            state.target = pair.target;
            state.resume_token.assign(look_says_bytes, 'x');
            out.targets.push_back(std::move(state));
        }
        co_return out;
    }
    Task<Result<rpc::TreeOut>> tree(std::string peer, rpc::TreeIn) override {
        calls.push_back("tree from " + peer);
        co_return rpc::TreeOut{};
    }
    Task<Result<rpc::PrepareOut>> prepare(std::string peer, rpc::PrepareIn in) override {
        calls.push_back("prepare from " + peer);
        co_return Error{.code = Code::not_accepted, .message = in.target + " is not for you"};
    }
    Task<Result<rpc::AdoptOut>> adopt(std::string peer, rpc::AdoptIn in) override {
        calls.push_back("adopt from " + peer);
        co_return Error{.code = Code::not_accepted, .message = in.target + " is not for you"};
    }
    Task<Result<rpc::FactsOut>> facts(std::string peer, rpc::FactsIn) override {
        rpc::FactsOut out;
        out.host = greeting.host;
        out.you = std::move(peer);
        co_return out;
    }
    Task<Result<rpc::CommitOut>> commit(std::string peer, rpc::CommitIn) override {
        calls.push_back("commit from " + peer);
        while (hold_commits) {
            const bool stop = co_await cancelled();
            if (stop) break;
            co_await commits_.wait();
        }
        co_return rpc::CommitOut{};
    }
    Task<Result<rpc::RollBackOut>> roll_back(std::string peer, rpc::RollBackIn in) override {
        calls.push_back("roll_back from " + peer);
        co_return Error{.code = Code::not_accepted, .message = in.target + " is not for you"};
    }
    Task<Result<rpc::PeerExpireOut>> expire(std::string peer, rpc::LookIn in) override {
        calls.push_back("expire from " + peer);
        if (refuse_expire) co_return *refuse_expire;
        rpc::PeerExpireOut out;
        for (const auto& pair : in.pairs) out.items.emplace_back().target = pair.target;
        co_return out;
    }
    Task<Result<std::unique_ptr<Receiver>>> open_receive(std::string peer,
                                                         rpc::ReceiveIn in) override {
        calls.push_back("receive " + in.target + " from " + peer);
        if (refuse_stream) co_return *refuse_stream;
        co_return std::unique_ptr<Receiver>(std::make_unique<FakeReceiver>(*this));
    }

  private:
    class FakeReceiver : public Receiver {
      public:
        explicit FakeReceiver(FakeTarget& owner) : owner_(owner) {}

        Task<rpc::Received> receive(Fd in, bool direct, std::string begun) override {
            owner_.received_direct = direct;
            owner_.receive_was_blocking = (::fcntl(in.get(), F_GETFL) & O_NONBLOCK) == 0;
            const auto executor = co_await asio::this_coro::executor;
            set_nonblocking(in.get());
            asio::posix::stream_descriptor stream(executor, in.release());
            std::vector<char> buffer(1 << 16);
            rpc::Received received;
            received.bytes = begun.size();
            owner_.received_bytes += begun.size();
            while (true) {
                const auto chunk = asio::buffer(buffer);
                auto [ec, n] = co_await stream.async_read_some(chunk, nothrow);
                received.bytes += n;
                owner_.received_bytes += n;
                if (owner_.fail_after_bytes && received.bytes >= owner_.fail_at) {
                    received.error = rpc::to_item_error(*owner_.fail_after_bytes);
                    co_return received;
                }
                if (ec) co_return received;
            }
        }

      private:
        FakeTarget& owner_;
    };

    Signal commits_;
};

}  // namespace zrepd::test
