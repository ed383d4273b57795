// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/zfs_cli.hpp"

#include <fstream>

#include "common/text.hpp"
#include "daemon/log.hpp"
#include "daemon/zfs/ack_program.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd {
namespace {

constexpr std::chrono::seconds kListLimit{120};    // 100,000 snapshots on a busy disk pool
constexpr std::chrono::seconds kChangeLimit{180};  // several transaction groups of a slow pool
// Memory limit of a channel program is 10 MiB by default; this stays far below it.
constexpr std::size_t kProgramItems = 100;

template <class Name, class Build>
std::vector<std::vector<std::string>> commands(const std::vector<Name>& names, Build build) {
    std::vector<std::vector<std::string>> out;
    for (const auto& chunk : command::chunks(names)) out.push_back(build(chunk));
    return out;
}

std::string first_line(const std::string& path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
}

}  // namespace

Task<Result<std::vector<Dataset>>> ZfsCli::datasets(std::vector<DatasetName> which) {
    std::vector<Dataset> all;
    auto calls = commands(which, command::get_datasets);
    if (which.empty()) calls.push_back(command::get_datasets({}));
    for (auto& argv : calls) {
        auto output = co_await processes_.run(std::move(argv), kListLimit);
        if (!output) co_return output.error();
        if (!output->status.ok()) {
            Error why = parse::failure(output->err);
            // Of several, those that exist are printed all the same.
            if (why.code != Code::not_found || which.empty()) co_return std::move(why).in("zfs get");
        }
        auto parsed = parse::datasets(output->out);
        if (!parsed) co_return parsed.error();
        for (Dataset& dataset : *parsed) all.push_back(std::move(dataset));
    }
    co_return all;
}

Task<Result<std::map<DatasetName, Versions>>> ZfsCli::versions(std::vector<DatasetName> which) {
    std::map<DatasetName, Versions> all;
    for (auto& argv : commands(which, command::list_versions)) {
        auto output = co_await processes_.run(std::move(argv), kListLimit);
        if (!output) co_return output.error();
        if (!output->status.ok()) {
            Error why = parse::failure(output->err);
            if (why.code != Code::not_found) co_return std::move(why).in("zfs list");
        }
        auto parsed = parse::versions(output->out);
        if (!parsed) co_return parsed.error();
        all.merge(*parsed);
    }
    co_return all;
}

Task<Result<void>> ZfsCli::change(std::vector<std::string> argv) {
    const std::string what = argv[0] + " " + argv[1];
    auto output = co_await processes_.run(std::move(argv), kChangeLimit);
    if (!output) co_return output.error();
    if (output->status.ok()) co_return ok();
    if (output->err.empty()) {
        co_return Error{.code = Code::zfs_failed, .message = what + ": " + output->status.text()};
    }
    co_return parse::failure(output->err).in(what);
}

Task<Result<void>> ZfsCli::snapshot(std::vector<SnapshotName> names) {
    std::map<std::string, std::vector<SnapshotName>, std::less<>> by_pool;
    for (auto& name : names) by_pool[std::string(name.dataset().pool())].push_back(name);
    Result<void> out = ok();
    for (const auto& [pool, group] : by_pool) {
        for (auto& argv : commands(group, command::snapshot)) {
            auto taken = co_await change(std::move(argv));
            if (!taken) out = taken;
        }
    }
    co_return out;
}

Task<Result<void>> ZfsCli::set(DatasetName dataset, PropertyList properties) {
    auto argv = command::set(dataset, properties);
    co_return co_await change(std::move(argv));
}

Task<Result<void>> ZfsCli::inherit(DatasetName dataset, std::vector<std::string> properties) {
    for (const auto& property : properties) {
        auto argv = command::inherit(dataset, property);
        auto done = co_await change(std::move(argv));
        if (!done) co_return done;
    }
    co_return ok();
}

Task<Result<void>> ZfsCli::hold(std::vector<SnapshotName> names) {
    for (auto& argv : commands(names, command::hold)) {
        auto output = co_await processes_.run(std::move(argv), kChangeLimit);
        if (!output) co_return output.error();
        const bool fine = output->status.ok() || parse::only_hold_exists(output->err);
        if (!fine) co_return parse::failure(output->err).in("zfs hold");
    }
    co_return ok();
}

Task<Result<void>> ZfsCli::release(std::vector<SnapshotName> names) {
    for (auto& argv : commands(names, command::release)) {
        auto output = co_await processes_.run(std::move(argv), kChangeLimit);
        if (!output) co_return output.error();
        const bool fine = output->status.ok() || parse::only_hold_missing(output->err);
        if (!fine) co_return parse::failure(output->err).in("zfs release");
    }
    co_return ok();
}

Task<Result<void>> ZfsCli::destroy_snapshots(DatasetName dataset, std::vector<std::string> names) {
    auto argv = command::destroy_snapshots(dataset, names);
    co_return co_await change(std::move(argv));
}

Task<Result<void>> ZfsCli::destroy_bookmark(DatasetName dataset, std::string name) {
    auto argv = command::destroy_bookmark(dataset, name);
    co_return co_await change(std::move(argv));
}

Task<std::vector<AckOutcome>> ZfsCli::acknowledge(AckBatch batch) {
    std::map<std::string, std::vector<std::size_t>, std::less<>> by_pool;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        by_pool[std::string(batch.items[i].snapshot.dataset().pool())].push_back(i);
    }
    std::vector<AckOutcome> out(batch.items.size());
    for (const auto& [pool, places] : by_pool) {
        for (std::size_t from = 0; from < places.size(); from += kProgramItems) {
            const std::size_t to = std::min(places.size(), from + kProgramItems);
            AckBatch part{.sent = batch.sent, .items = {}};
            for (std::size_t i = from; i < to; ++i) part.items.push_back(batch.items[places[i]]);
            auto outcomes = co_await acknowledge_in_pool(std::move(part));
            for (std::size_t i = from; i < to; ++i) out[places[i]] = std::move(outcomes[i - from]);
        }
    }
    co_return out;
}

Task<std::vector<AckOutcome>> ZfsCli::acknowledge_in_pool(AckBatch batch) {
    std::vector<AckOutcome> out;
    if (!programs_refused_) {
        const std::string pool(batch.items.front().snapshot.dataset().pool());
        auto argv = command::program(pool, ack_arguments(batch));
        auto output = co_await processes_.run(std::move(argv), kChangeLimit, std::string(kAckProgram));
        if (output && output->status.ok()) {
            auto outcomes = parse::program(output->out, batch.items.size());
            if (outcomes) co_return std::move(*outcomes);
        }
        Error why = output ? parse::failure(output->err) : output.error();
        if (!output || !parse::program_refused(output->err)) {
            for (std::size_t i = 0; i < batch.items.size(); ++i) {
                out.push_back(AckOutcome{.acknowledged = Error(why).in("zfs program")});
            }
            co_return out;
        }
        programs_refused_ = true;
        log::event(log::Level::warn, "programs_refused",
                   {{"error", why.message}, {"instead", "plain zfs commands"}});
    }
    for (const AckItem& item : batch.items) {
        out.push_back(co_await acknowledge_plainly(item, batch.sent));
    }
    co_return out;
}

/// The program's work with a process per step, for systems that refuse programs.
Task<AckOutcome> ZfsCli::acknowledge_plainly(AckItem item, UnixSeconds sent) {
    AckOutcome out;
    std::vector<DatasetName> which{item.snapshot.dataset()};
    auto listed = co_await versions(std::move(which));
    if (!listed) {
        out.acknowledged = listed.error();
        co_return out;
    }
    const Snapshot* found = find_snapshot((*listed)[item.snapshot.dataset()], item.guid);
    if (found == nullptr || found->name != item.snapshot.snapshot()) {
        out.acknowledged = Error{.code = Code::conflict,
                                 .message = item.snapshot.str() + " is not the snapshot that was sent",
                                 .remedy = "run zrepctl sync again; it looks at both sides anew"};
        co_return out;
    }
    if (item.set_sent) {
        std::vector<SnapshotName> one{item.snapshot};
        auto argv = command::set_sent(one, sent);
        out.acknowledged = co_await change(std::move(argv));
        if (!out.acknowledged) co_return out;
    }
    if (item.bookmark) {
        auto argv = command::bookmark(item.snapshot, zrep_bookmark_name(item.guid));
        auto made = co_await change(std::move(argv));
        const bool there = !made && (made.error().code == Code::already_exists ||
                                     made.error().message.find("exists") != std::string::npos);
        if (!made && !there) out.failed.push_back("bookmark: " + made.error().text());
    }
    for (const auto& name : item.destroy) {
        std::vector<std::string> one{name};
        auto gone = co_await destroy_snapshots(item.snapshot.dataset(), std::move(one));
        if (gone) out.destroyed.push_back(name);
        else out.failed.push_back("destroy " + name + ": " + gone.error().text());
    }
    co_return out;
}

Task<Result<void>> ZfsCli::rollback(SnapshotName snapshot) {
    auto argv = command::rollback(snapshot);
    co_return co_await change(std::move(argv));
}

Task<Result<void>> ZfsCli::abort_receive(DatasetName dataset) {
    auto argv = command::abort_receive(dataset);
    auto done = co_await change(std::move(argv));
    // Nothing there to throw away is what was wanted.
    if (!done && done.error().code == Code::not_found) co_return ok();
    co_return done;
}

Task<Result<TokenInfo>> ZfsCli::token_info(std::string token) {
    if (!command::is_token(token)) {
        co_return Error{.code = Code::conflict, .message = "not a resume token: " + quote(token)};
    }
    auto argv = command::token_info(token);
    auto output = co_await processes_.run(std::move(argv), kListLimit);
    if (!output) co_return output.error();
    if (!output->status.ok()) co_return parse::failure(output->err).in("zfs send -nvt");
    // Which of the two streams it goes to differs between versions.
    co_return parse::token(output->out + "\n" + output->err);
}

std::optional<std::string> ZfsCli::pool_trouble(std::string_view pool) {
    const std::string state = first_line("/proc/spl/kstat/zfs/" + std::string(pool) + "/state");
    if (state == "SUSPENDED") {
        return "pool " + std::string(pool) + " is suspended; zpool status says why, zpool clear resumes it";
    }
    return std::nullopt;
}

std::string ZfsCli::version() {
    std::string text = first_line("/sys/module/zfs/version");
    return text.substr(0, text.find('-'));
}

}  // namespace zrepd
