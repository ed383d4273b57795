// SPDX-License-Identifier: BSD-2-Clause
// Gives the peer layer its processes (ssh) from the daemon's process layer.
#pragma once

#include "daemon/peer/process.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd {

class HelperProcesses : public peer::ProcessStarter {
  public:
    explicit HelperProcesses(Processes& processes) : processes_(processes) {}

    Result<std::unique_ptr<peer::Running>> start(std::vector<std::string> argv,
                                                 Fd in,
                                                 Fd out) override {
        auto child =
            processes_.start({.argv = std::move(argv), .in = std::move(in), .out = std::move(out)});
        if (!child) return child.error();
        return std::unique_ptr<peer::Running>(std::make_unique<Helper>(std::move(*child)));
    }

  private:
    class Helper : public peer::Running {
      public:
        explicit Helper(Child child) : child_(std::move(child)) {}
        Task<std::optional<peer::ProcessEnd>> wait(std::chrono::milliseconds limit) override {
            const auto status = co_await child_.wait_for(limit);
            if (!status) co_return std::nullopt;
            co_return peer::ProcessEnd{status->code, status->signal};
        }
        std::string stderr_tail() override { return child_.stderr_tail(); }

      private:
        Child child_;
    };

    Processes& processes_;
};

}  // namespace zrepd
