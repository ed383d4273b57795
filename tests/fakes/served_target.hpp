// SPDX-License-Identifier: BSD-2-Clause
// A peer server with a fake target behind it, on a socket in a directory of its own.
#pragma once

#include <filesystem>

#include "daemon/peer/server.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fakes/task_test.hpp"
#include "tests/fakes/temp_folder.hpp"

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
        const auto listening = server.listen(socket);
        EXPECT_TRUE(listening);
    }
    ~ServedTarget() override { run(server.stop()); }
    ServedTarget(const ServedTarget&) = delete;
    ServedTarget& operator=(const ServedTarget&) = delete;

    TempFolder temp;
    std::filesystem::path directory = temp.path;
    std::filesystem::path socket = directory / "peer.sock";
    FakeTarget target;
    peer::Server server;
};

}  // namespace zrepd::test
