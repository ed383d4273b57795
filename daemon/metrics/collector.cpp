// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/collector.hpp"

#include <algorithm>

#include "daemon/clock.hpp"

namespace zrepd::metrics {
namespace {

constexpr std::string_view kOther = "other";

/// zfs, zpool and ssh are always there, so that a graph of them has no holes.
std::map<std::string, std::uint64_t> by_program(const std::vector<RunningProcess>& running) {
    std::map<std::string, std::uint64_t> out{
        {"ssh", 0}, {"zfs", 0}, {"zpool", 0}, {std::string(kOther), 0}};
    for (const RunningProcess& one : running) {
        std::string program = one.argv.at(0);
        program = program.substr(program.rfind('/') + 1);
        const auto found = out.find(program);
        ++(found == out.end() ? out.at(std::string(kOther)) : found->second);
    }
    return out;
}

std::map<std::string, Moving, std::less<>> moving(const rpc::StatusOut& status,
                                                  const sync::Runs& runs) {
    std::map<std::string, Moving, std::less<>> out;
    for (const auto& pair : status.pairs) {
        if (!pair.running) continue;
        const sync::RunPtr run = runs.find(pair.running->run_id);
        if (run) out[pair.dataset] = {run->operation(), pair.running->bytes};
    }
    return out;
}

std::set<std::string, std::less<>> names(const rpc::StatusOut& status) {
    std::set<std::string, std::less<>> out;
    for (const auto& pair : status.pairs) out.insert(pair.dataset);
    return out;
}

}  // namespace

Collector::Collector(control::Service& service,
                     sync::Runs& runs,
                     const Processes& processes,
                     std::chrono::milliseconds fresh)
    : service_(service), runs_(runs), processes_(processes), fresh_(fresh), started_(unix_now()) {
    runs_.on_part_end([this](const sync::PartEnd& end) { note(end); });
}

Collector::~Collector() {
    runs_.on_part_end(nullptr);
}

void Collector::note(const sync::PartEnd& end) {
    counters_.note({.dataset = end.dataset.str(),
                    .operation = end.operation,
                    .outcome = end.result.outcome,
                    .bytes = end.bytes,
                    .seconds = end.took.count()});
}

std::shared_ptr<const std::string> Collector::text(Format format) {
    const auto now = std::chrono::steady_clock::now();
    auto& made = made_[static_cast<std::size_t>(format)];
    if (!made || now - made->at >= fresh_) {
        made = Made{now, std::make_shared<const std::string>(make(format))};
    }
    return made->text;
}

std::string Collector::make(Format format) {
    // Without names it has no reason to fail; a host without pairs is told instead.
    auto found = service_.status({});
    const rpc::StatusOut status = found ? std::move(*found) : rpc::StatusOut{};
    // What may only be out of sight for a moment keeps its counters.
    if (!status.problem) counters_.keep_only(names(status));
    const rpc::VersionOut version = service_.version();
    return render({.status = status,
                   .version = version,
                   .counters = counters_,
                   .now = unix_now(),
                   .started = started_,
                   .active_runs = runs_.active_count(),
                   .moving = moving(status, runs_),
                   .processes = by_program(processes_.running()),
                   .processes_started = processes_.started()},
                  format);
}

}  // namespace zrepd::metrics
