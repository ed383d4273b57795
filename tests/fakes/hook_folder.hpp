// SPDX-License-Identifier: BSD-2-Clause
// A hooks-dir of one test's own, with real programs in it, and the processes that run them.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "daemon/failover/hooks.hpp"
#include "daemon/zfs/subprocess.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::test {

namespace fs = std::filesystem;

inline std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_program(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
}

/// A hook is run only when root owns it, so nothing of this can be tested as anybody else. A test
/// that is left out would look like one that passed.
inline void require_root() {
    ASSERT_EQ(::geteuid(), 0U) << "run the tests as root: sudo tests/run";
}

class HookFolder : public ::testing::Test {
  protected:
    HookFolder() {
        config.hooks_dir = root / "hooks";
        fs::create_directories(config.hooks_dir);
        fs::create_directories(root / "bin");
    }

    void SetUp() override { require_root(); }

    fs::path program(const std::string& name) const { return config.hooks_dir / name; }
    /// "pre-demote.d/50-x": a shell program there. $T in it is the test's own folder.
    void put(const std::string& name, const std::string& script) const {
        write_program(program(name), "#!/bin/sh\nT=" + root.string() + "\n" + script + "\n");
    }
    Result<void> run(failover::Hook hook) {
        return run_task(io, failover::run_hooks(processes, config, hook, context));
    }
    std::string seen(const std::string& name) const { return text_of(root / name); }

    TempFolder temp;
    const fs::path root = temp.path;
    config::Config config{.host = *HostName::parse("alpha")};
    asio::io_context io{1};
    Processes processes{io.get_executor(), root.string() + "/bin:" + std::string(kProgramPath)};
    failover::HookContext context{.dataset = *DatasetName::parse("tank/fs"),
                                  .peer = *HostName::parse("beta"),
                                  .peer_dataset = *DatasetName::parse("backup/fs"),
                                  .epoch = 8,
                                  .operation = "failover",
                                  .kind = "filesystem",
                                  .mountpoint = "/srv/fs",
                                  .planned = true,
                                  .run_id = "67c2f1a0-17"};
};

}  // namespace zrepd::test
