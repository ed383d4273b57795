// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli's bookkeeping: by channel program, or with plain commands to the same outcome.
#include "daemon/zfs/ack_program.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/program_batches.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

std::vector<AckOutcome> all_failed(std::size_t count, const Error& error) {
    return std::vector<AckOutcome>(count, AckOutcome{.acknowledged = error});
}

}  // namespace

Task<std::vector<AckOutcome>> ZfsCli::acknowledge(AckBatch batch) {
    std::vector<AckOutcome> outcomes(batch.items.size());
    std::map<std::string, std::vector<std::size_t>> pools;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        const AckItem& item = batch.items[i];
        outcomes[i].acknowledged = ack_program::check(item);
        if (!outcomes[i].acknowledged.has_value()) continue;
        pools[std::string(item.snapshot.dataset().pool())].push_back(i);
    }
    for (const auto& [pool, indices] : pools) {
        std::vector<AckItem> items;
        for (const std::size_t i : indices) items.push_back(batch.items[i]);
        std::vector<AckOutcome> of_pool =
            co_await acknowledge_pool(pool, batch.sent, std::move(items));
        for (std::size_t k = 0; k < indices.size(); ++k) {
            outcomes[indices[k]] = std::move(of_pool[k]);
        }
    }
    co_return outcomes;
}

Task<std::vector<AckOutcome>> ZfsCli::acknowledge_pool(std::string pool,
                                                       UnixSeconds sent,
                                                       std::vector<AckItem> items) {
    Result<void> checked = check_pool(pool);
    if (!checked.has_value()) co_return all_failed(items.size(), checked.error());
    std::vector<AckOutcome> all;
    const std::vector<std::vector<AckItem>> parts = program_batches(
        items, [](const AckItem& item) { return ack_program::arguments(0, {item}); });
    for (const std::vector<AckItem>& part : parts) {
        std::vector<AckOutcome> outcomes;
        Result<std::vector<AckOutcome>> done = co_await acknowledge_by_program(pool, sent, part);
        if (done.has_value()) {
            outcomes = std::move(*done);
        } else if (!plain_commands_help(done.error())) {
            outcomes = all_failed(part.size(), done.error());
        } else {
            outcomes = co_await acknowledge_plainly(sent, part);
        }
        std::move(outcomes.begin(), outcomes.end(), std::back_inserter(all));
    }
    co_return all;
}

Task<Result<std::vector<AckOutcome>>> ZfsCli::acknowledge_by_program(std::string pool,
                                                                     UnixSeconds sent,
                                                                     std::vector<AckItem> items) {
    Result<std::string> answer =
        co_await run_program(pool, ack_program::text(), ack_program::arguments(sent, items));
    if (!answer.has_value()) co_return answer.error();
    co_return ack_program::outcomes(*answer, items);
}

Task<std::vector<AckOutcome>> ZfsCli::acknowledge_plainly(UnixSeconds sent,
                                                          std::vector<AckItem> items) {
    std::vector<AckOutcome> outcomes = co_await check_guids(items);
    co_await record_sent(sent, items, outcomes);
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (outcomes[i].acknowledged.has_value()) co_await tidy(items[i], outcomes[i]);
    }
    co_return outcomes;
}

Task<std::vector<AckOutcome>> ZfsCli::check_guids(std::vector<AckItem> items) {
    std::vector<SnapshotName> names;
    names.reserve(items.size());
    for (const AckItem& item : items) names.push_back(item.snapshot);
    Result<Output> output = co_await list(command::get_guids(names));
    if (!output.has_value()) co_return all_failed(items.size(), output.error());
    const Result<std::map<std::string, Guid>> guids = parse::guids(output->out);
    if (!guids.has_value()) co_return all_failed(items.size(), guids.error());
    std::vector<AckOutcome> outcomes(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto found = guids->find(items[i].snapshot.str());
        if (found == guids->end()) {
            outcomes[i].acknowledged = ack_program::missing(items[i].snapshot);
        } else if (found->second != items[i].guid) {
            outcomes[i].acknowledged = ack_program::replaced(items[i].snapshot);
        }
    }
    co_return outcomes;
}

Task<> ZfsCli::record_sent(UnixSeconds sent,
                           const std::vector<AckItem>& items,
                           std::vector<AckOutcome>& outcomes) {
    std::vector<SnapshotName> names;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const bool wanted = items[i].set_sent && outcomes[i].acknowledged.has_value();
        if (wanted) names.push_back(items[i].snapshot);
    }
    if (names.empty()) co_return;
    std::vector<Argv> together = command::set_sent(names, sent);
    Result<void> all = ok();
    for (Argv& argv : together) {
        Result<Output> output = co_await succeed(std::move(argv), kMutationLimit);
        if (!output.has_value()) all = output.error();
    }
    if (all.has_value()) co_return;
    // One of them could not be set: find out which, so that the others count.
    for (std::size_t i = 0; i < items.size(); ++i) {
        const bool wanted = items[i].set_sent && outcomes[i].acknowledged.has_value();
        if (!wanted) continue;
        std::vector<Argv> alone = command::set_sent({items[i].snapshot}, sent);
        Result<Output> output = co_await succeed(std::move(alone.at(0)), kMutationLimit);
        if (!output.has_value()) outcomes[i].acknowledged = output.error();
    }
}

Task<> ZfsCli::tidy(const AckItem& item, AckOutcome& outcome) {
    if (item.bookmark) {
        const std::string name = zrep_bookmark_name(item.guid);
        Result<Output> output =
            co_await processes_.run(command::bookmark(item.snapshot, name), kMutationLimit);
        outcome.bookmarked = output.has_value() &&
                             (output->status.ok() ||
                              parse::classify(output->err) == parse::Complaint::bookmark_exists);
        if (!outcome.bookmarked) {
            const std::string why = output.has_value()
                                        ? parse::failure(output->err, output->status.text()).message
                                        : output.error().message;
            outcome.failed.push_back("bookmark " + item.snapshot.dataset().str() + "#" + name +
                                     ": " + why);
        }
    }
    if (item.destroy.empty()) co_return;
    std::vector<Error> failures;
    Result<void> destroyed =
        co_await destroy_each(item.snapshot.dataset(), item.destroy, outcome.destroyed, failures);
    for (const Error& failure : failures) outcome.failed.push_back(failure.message);
    if (!destroyed.has_value()) outcome.failed.push_back("destroy: " + destroyed.error().message);
}

}  // namespace zrepd
