// SPDX-License-Identifier: BSD-2-Clause
// A fixture that runs one coroutine to its end on an io_context of its own. Everything is bounded:
// a test that hangs fails after kPatience.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <memory>

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"

namespace zrepd::test {

class TaskTest : public ::testing::Test {
  protected:
    static constexpr auto kPatience = std::chrono::seconds(20);

    TaskTest() { std::signal(SIGPIPE, SIG_IGN); }

    /// Runs `task` and whatever it started until it has ended.
    void run(Task<> task) {
        TaskGroup group(io.get_executor());
        group.spawn("test", std::move(task));
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (group.size() > 0 && std::chrono::steady_clock::now() < until) {
            io.run_one_for(std::chrono::milliseconds(200));
            if (io.stopped()) io.restart();
        }
        if (group.size() == 0) return;
        ADD_FAILURE() << "the test's coroutine did not end";
        std::abort();
    }

    asio::io_context io{1};
};

}  // namespace zrepd::test
