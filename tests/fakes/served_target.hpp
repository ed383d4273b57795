// SPDX-License-Identifier: BSD-2-Clause
// A peer server with a fake target behind it, on a socket in a directory of its own.
#pragma once

#include <filesystem>

#include "daemon/peer/server.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fakes/task_test.hpp"

namespace zrepd::test {

inline rpc::ReceiveIn full_stream() {
    rpc::ReceiveIn in;
    in.source = "tank/a";
    in.target = "backup/a";
    in.snapshot = "zrep_000001";
    in.mode = "full";
    return in;
}

class ServedTarget : public TaskTest {
  public:
    ServedTarget() : target(io.get_executor()), server(io.get_executor(), target) {
        std::string pattern = std::filesystem::temp_directory_path() / "zrepd-peer-XXXXXX";
        directory = ::mkdtemp(pattern.data());
        socket = directory / "peer.sock";
        const auto listening = server.listen(socket);
        EXPECT_TRUE(listening);
    }
    ~ServedTarget() override {
        run(server.stop());
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    ServedTarget(const ServedTarget&) = delete;
    ServedTarget& operator=(const ServedTarget&) = delete;

    FakeTarget target;
    peer::Server server;
    std::filesystem::path directory;
    std::filesystem::path socket;
};

}  // namespace zrepd::test
