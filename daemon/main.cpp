// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "common/version.hpp"
#include "daemon/app.hpp"
#include "daemon/config/config.hpp"
#include "daemon/exit_status.hpp"
#include "daemon/failover/hook_files.hpp"
#include "daemon/host_mounts.hpp"
#include "daemon/log.hpp"
#include "daemon/metrics/text_file.hpp"

namespace {

int complain(const zrepd::Error& error) {
    std::fprintf(stderr, "zrepd: %s\n", error.text().c_str());
    if (!error.remedy.empty()) std::fprintf(stderr, "  next: %s\n", error.remedy.c_str());
    return zrepd::info(error.code).exit_status == 2 ? zrepd::kWrongSettings : zrepd::kCouldNot;
}

/// A status of many pairs takes a megabyte or two for a moment. glibc would give them back to the
/// kernel each time and fault every page in again, which costs more than the work itself.
void keep_a_little_memory() {
#ifdef __GLIBC__
    constexpr int kKept = 4 << 20;
    ::mallopt(M_TRIM_THRESHOLD, kKept);  // NOLINT(concurrency-mt-unsafe): before any thread
    ::mallopt(M_MMAP_THRESHOLD, kKept);  // NOLINT(concurrency-mt-unsafe)
#endif
}

/// What a start would only warn of, or find out later, is an error to who asks.
int check(const zrepd::config::Config& config) {
    if (auto hooks = zrepd::failover::check_hooks(config); !hooks) return complain(hooks.error());
    if (!config.metrics_file.empty()) {
        auto folder = zrepd::metrics::check_folder(config.metrics_file);
        if (!folder) return complain(folder.error());
    }
    std::puts("settings are fine");
    return zrepd::kOrderlyEnd;
}

int hand_over_mounts() {
    const auto handles = zrepd::host_mounts::of_the_host();
    if (!handles) return complain(handles.error());
    auto done = zrepd::host_mounts::hand_over(zrepd::Notifier::from_environment(), *handles);
    return done ? zrepd::kOrderlyEnd : complain(done.error());
}

int run(const std::vector<std::string>& arguments) {
    auto command = zrepd::config::read(arguments);
    if (!command) return complain(command.error());
    using Action = zrepd::config::CommandLine::Action;
    switch (command->action) {
        case Action::help:
            std::fputs(command->help.c_str(), stdout);
            return zrepd::kOrderlyEnd;
        case Action::version:
            std::puts(("zrepd " + std::string(zrepd::kBuildVersion)).c_str());
            return zrepd::kOrderlyEnd;
        case Action::check_config:
            return check(command->config);
        case Action::hand_over_mounts:
            return hand_over_mounts();
        case Action::run:
            break;
    }
    if (!zrepd::log::start(command->config.log_level)) return zrepd::kWrongSettings;
    keep_a_little_memory();
    zrepd::App app(std::move(command->config));
    auto ended = app.run();
    if (ended) return zrepd::kOrderlyEnd;
    zrepd::log::event(zrepd::log::Level::critical,
                      "exiting",
                      {{"error", ended.error().text()}, {"next", ended.error().remedy}});
    return zrepd::kCouldNot;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "zrepd: bug: %s\n", e.what());
        return zrepd::kCouldNot;
    }
}
