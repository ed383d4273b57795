// SPDX-License-Identifier: BSD-2-Clause
// The daemon put together: every part built in order, run, and stopped in reverse.
#pragma once

#include <memory>

#include "daemon/config/config.hpp"

namespace zrepd {

class App {
  public:
    explicit App(config::Config config);
    ~App();

    /// Runs until SIGTERM or SIGINT. An error: the daemon could not start, or did not stop in time.
    Result<void> run();

  private:
    struct Parts;
    config::Config config_;
    std::unique_ptr<Parts> parts_;
};

}  // namespace zrepd
