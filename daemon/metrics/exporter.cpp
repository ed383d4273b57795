// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/exporter.hpp"

namespace zrepd::metrics {

Exporter::Exporter(asio::any_io_executor executor,
                   const config::Config& config,
                   control::Service& service,
                   sync::Runs& runs,
                   const Processes& processes) {
    if (!config.metrics_listen && config.metrics_file.empty()) return;
    collector_ = std::make_unique<Collector>(service, runs, processes);
    const Source source = [this](Format format) { return collector_->text(format); };
    if (config.metrics_listen) {
        server_ = std::make_unique<HttpServer>(executor, *config.metrics_listen, source);
    }
    if (!config.metrics_file.empty()) {
        file_ = std::make_unique<TextFile>(executor, config.metrics_file, source);
    }
}

void Exporter::start() {
    if (server_) server_->start();
    if (file_) file_->start();
}

Task<> Exporter::stop() {
    if (server_) co_await server_->stop();
    if (file_) co_await file_->stop();
}

}  // namespace zrepd::metrics
