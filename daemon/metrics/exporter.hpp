// SPDX-License-Identifier: BSD-2-Clause
// Figures for monitoring, where the settings want them: metrics-listen, metrics-file, or nowhere.
// Thread: io thread. Errors: log lines; nothing else of zrepd depends on it.
#pragma once

#include <memory>

#include "daemon/config/config.hpp"
#include "daemon/metrics/collector.hpp"
#include "daemon/metrics/http_server.hpp"
#include "daemon/metrics/text_file.hpp"

namespace zrepd::metrics {

class Exporter {
  public:
    /// Where neither is set nothing is counted either.
    Exporter(asio::any_io_executor executor,
             const config::Config& config,
             control::Service& service,
             sync::Runs& runs,
             const Processes& processes);

    void start();
    Task<> stop();

  private:
    std::unique_ptr<Collector> collector_;
    std::unique_ptr<HttpServer> server_;
    std::unique_ptr<TextFile> file_;
};

}  // namespace zrepd::metrics
