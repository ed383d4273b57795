// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/verb_world.hpp"

#include <array>

#include "ctl/render/check.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::test {
namespace {

// How long something else may hold a verb up before we say that it waits.
constexpr std::chrono::milliseconds kWaits{700};

/// Parents first. Those of a tree come with it.
constexpr std::array kOnAlpha{"tank",
                              "tank/fs",
                              "tank/new",
                              "tank/plain",
                              "tank/copied",
                              "tank/copied/a",
                              "tank/tree",
                              "tank/tree/a",
                              "tank/fs_diverged_9"};
/// That are there, or may come.
constexpr std::array kOnBeta{"backup",
                             "backup/fs",
                             "backup/fs/a",
                             "backup/new",
                             "backup/plain",
                             "backup/copied",
                             "backup/copied/a",
                             "backup/tree",
                             "backup/tree/a"};

/// Roles and settings; what is only noted for the next role change, or for people, is left out.
std::string properties_of(FakeZfs& zfs, const std::string& name) {
    if (!zfs.exists(name)) return name + " is not there";
    const FakeDataset& d = zfs.at(name);
    std::string out = name + (d.mounted ? " mounted" : "");
    for (const auto& [key, property] : d.props) {
        const bool note = key == prop::kServe || key == prop::kLockPid || key == prop::kLockTime;
        if (!note && !property.value.empty()) out += " " + key + "=" + property.value;
    }
    return out;
}

std::string facts_of(FakeZfs& zfs, const std::string& name) {
    std::string out = properties_of(zfs, name);
    if (!zfs.exists(name)) return out + "\n";
    const FakeDataset& d = zfs.at(name);
    out += " content=" + std::to_string(d.content) + " written=" + std::to_string(d.written);
    for (const auto& s : d.snapshots) {
        out +=
            " @" + s.name + ":" + s.guid.str() + (s.sent ? "+sent" : "") + (s.held ? "+held" : "");
    }
    for (const auto& b : d.bookmarks) out += " #" + b.name;
    return out + (d.partial ? " partial" : "") + "\n";
}

}  // namespace

VerbWorld::VerbWorld() : served_a(*alpha), served_b(*beta) {
    for (const char* name : kOnAlpha)
        if (!alpha->zfs.exists(name)) alpha->zfs.create(name);
    beta->zfs.create("backup/plain");
    // As other programs leave it.
    for (const std::string name : {"copied", "copied/a"}) {
        alpha->zfs.take("tank/" + name + "@daily");
        beta->zfs.create("backup/" + name);
        beta->zfs.at("backup/" + name).snapshots = alpha->zfs.at("tank/" + name).snapshots;
        beta->zfs.at("backup/" + name).content = alpha->zfs.content("tank/" + name);
    }
    give(*alpha, "tank/fs_diverged_9", prop::kRescue, "tank/fs");
    alpha->zfs.take("tank/fs_diverged_9@zrep_diverged_9");
    alpha->zfs.at("tank/fs_diverged_9").origin = "tank/fs@zrep_000000";
    for (const char* name : {"tank/fs", "tank/new", "tank/tree"}) alpha->zfs.write(name, 4'000);
    discover();
}

VerbWorld::~VerbWorld() {
    release();
}

std::string VerbWorld::facts() {
    std::string out;
    for (const char* name : kOnAlpha) out += facts_of(alpha->zfs, name);
    out += facts_of(alpha->zfs, "tank/fs/a");
    for (const char* name : kOnBeta) out += facts_of(beta->zfs, name);
    return out;
}

std::string VerbWorld::roles() {
    std::string out;
    for (const char* name : {"tank/fs", "tank/fs/a"}) {
        out += properties_of(alpha->zfs, name) + "\n";
        if (alpha->zfs.exists(name)) out += std::to_string(alpha->zfs.content(name)) + "\n";
    }
    for (const char* name : {"backup/fs", "backup/fs/a"})
        out += properties_of(beta->zfs, name) + "\n";
    return out;
}

Outcome VerbWorld::of_error(const Error& error, const std::string& dataset) {
    return {info(error.code).exit_status,
            std::string(info(error.code).name),
            ctl::error_text(error, dataset),
            false};
}

Outcome VerbWorld::follow(TestHost& host, Result<rpc::RunStarted> started) {
    if (!started) return of_error(started.error());
    Outcome out;
    // Of a dry run.
    if (started->results) {
        for (const auto& result : *started->results) {
            if (result.error) return of_error(rpc::from_item_error(*result.error), result.dataset);
        }
    }
    std::vector<std::string> runs = started->joined;
    if (!started->run_id.empty()) runs.push_back(started->run_id);
    for (const auto& step : started->steps) out.said += "would " + step + "\n";
    if (started->note) out.said += *started->note;
    for (const auto& id : runs) {
        const sync::RunPtr run = host.runs.find(id);
        const auto until = std::chrono::steady_clock::now() + kWaits;
        if (occupied) {
            run_until(io,
                      [&] { return run->finished() || std::chrono::steady_clock::now() > until; });
            out.waits = !run->finished();
            release();
        }
        run_until(io, [&run] { return run->finished(); });
        const rpc::RunResult result = run->out().results.at(0);
        if (result.error) return of_error(rpc::from_item_error(*result.error), result.dataset);
        out.said += result.outcome + " " + result.text;
    }
    return out;
}

Outcome VerbWorld::of_call(Result<rpc::Done> done) {
    if (!done) return of_error(done.error());
    Outcome out;
    out.said = join(done->steps, "\n") + "\n" + join(done->notes, "\n");
    return out;
}

void VerbWorld::occupy(TestHost& host, const DatasetName& dataset, const std::string& operation) {
    std::vector<DatasetName> one{dataset};
    sync::RunPtr run = host.runs.start(operation, one);
    auto guard = host.locks.try_lock(dataset, lock::Scope::node, operation, run->id());
    EXPECT_TRUE(guard);
    held_.push_back({&host, dataset, run, std::move(*guard)});
    occupied = true;
}

void VerbWorld::release() {
    for (Held& one : held_) {
        rpc::RunResult done;
        done.outcome = "done";
        one.host->runs.succeed(*one.run, one.dataset, std::move(done));
    }
    held_.clear();
    occupied = false;
}

void VerbWorld::look_again() {
    for (auto* host : {&*alpha, &*beta}) {
        const auto seen = run_task(io, host->inventory.discover());
        EXPECT_TRUE(seen || !seen.error().message.empty());
    }
}

void VerbWorld::make_tree() {
    auto& here = alpha->zfs.at("tank/fs");
    here.props.clear();
    here.snapshots.clear();
    here.bookmarks.clear();
    beta->zfs.forget("backup/fs");
    alpha->zfs.create("tank/fs/a");
    alpha->zfs.write("tank/fs/a", 30'000);
    look_again();
    sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
    request.recursive = true;
    EXPECT_EQ(ended(run_task(io, alpha->engine.start_init(std::move(request)))).outcome, "done");
    alpha->zfs.write("tank/fs", 4'000);
    alpha->zfs.write("tank/fs/a", 4'000);
    new_for_init = false;
}

void VerbWorld::make_pair_inside() {
    alpha->zfs.create("tank/fs/db");
    look_again();
    const sync::InitRequest request{.dataset = *DatasetName::parse("tank/fs/db"),
                                    .host = beta->config.host,
                                    .target = *DatasetName::parse("backup/db")};
    EXPECT_EQ(ended(run_task(io, alpha->engine.start_init(request))).outcome, "done");
}

void VerbWorld::cut_link() {
    run_task(io, alpha->server.stop());
    run_task(io, beta->server.stop());
    // What is asked then is asked of a new connection, and not of the one that just ended.
    run_until(io, [this] {
        return alpha->peers.state(beta->config.host) != peer::PeerState::connected &&
               beta->peers.state(alpha->config.host) != peer::PeerState::connected;
    });
}

}  // namespace zrepd::test
