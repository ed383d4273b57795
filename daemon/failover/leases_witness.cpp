// SPDX-License-Identifier: BSD-2-Clause
// Leases that a witness confirms, besides the peer.
#include <algorithm>

#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {

/// Ours, as a master or as a target: that shows the other side that it sees the same folder.
WitnessFolder::Item Leases::record_of(const plan::Pair& pair) {
    WitnessFolder::Item out{.sides = sides_of(pair, parts_.self)};
    out.write = Record{.side = out.sides.ours,
                       .epoch = pair.epoch,
                       .holds = pair.role == plan::Role::master,
                       .count = static_cast<std::uint64_t>(boot_now().count()) + ++written_};
    return out;
}

void Leases::ask_witness(const std::vector<plan::Pair>& pairs, BootTime now) {
    if (at_witness_.running || at_witness_.next > now) return;
    at_witness_.running = true;
    at_witness_.next = now + parts_.config.lease_time / 3;
    tasks_.spawn("leases at the witness", renew_at_witness(pairs));
}

Task<> Leases::renew_at_witness(std::vector<plan::Pair> pairs) {
    const BootTime sent = boot_now();
    std::vector<WitnessFolder::Item> items;
    for (const auto& pair : pairs) {
        // A takeover under way has a record of its own there.
        if (pair.role == plan::Role::target && parts_.runs.active(pair.dataset)) continue;
        items.push_back(record_of(pair));
    }
    std::erase_if(pairs, [this](const plan::Pair& pair) {
        return pair.role == plan::Role::target && parts_.runs.active(pair.dataset) != nullptr;
    });
    auto found = co_await witness_.exchange(
        parts_.config.witness, std::move(items), parts_.config.lease_time / 2);
    at_witness_.running = false;
    tell_of_witness(found);
    for (std::size_t i = 0; found && i < pairs.size() && i < found->size(); ++i) {
        take(pairs[i], (*found)[i], sent);
    }
    save();
    wake_.notify();
}

void Leases::tell_of_witness(const Result<std::vector<WitnessFolder::Found>>& found) {
    const std::string& witness = parts_.config.witness;
    std::optional<Error> trouble;
    if (!found) {
        trouble = found.error();
    } else if (std::any_of(
                   found->begin(), found->end(), [](const auto& one) { return !one.written; })) {
        trouble = Error{.code = Code::io_error,
                        .message = "zrepd cannot write all of its records in " + witness,
                        .remedy =
                            "look whether that is readonly, full, or mapped to another user "
                            "than root"};
    }
    const bool news = trouble && !witness_trouble_;
    witness_trouble_ = std::move(trouble);
    if (!news) return;
    log::event(log::Level::warn,
               "witness_silent",
               {{"witness", witness},
                {"error", witness_trouble_->text()},
                {"next", witness_trouble_->remedy}});
}

/// What a master finds at the witness.
Holding Leases::take(const plan::Pair& pair, const WitnessFolder::Found& found, BootTime sent) {
    const auto lease = leases_.find(pair.dataset);
    const bool ours = pair.role == plan::Role::master && lease != leases_.end() &&
                      lease->second.epoch == pair.epoch && found.written;
    if (!ours) return Holding::unknown;
    const Holding out = holding(pair.epoch, found.theirs);
    if (out == Holding::overtaken) {
        // At once: whoever holds it there is writable, or is going to be. But an operator's word
        // counts until the peer itself was heard.
        if (lease->second.until) lease->second.until = BootTime(0);
        hooks_.overtaken(pair.dataset);
    }
    const bool counts = lease->second.until && lease->second.witness == parts_.config.witness;
    if (out != Holding::confirmed || !counts) return Holding::unknown;
    failover::confirm(lease->second, sent, parts_.config.lease_time);
    return out;
}

Task<Result<void>> Leases::confirm_at_witness(plan::Pair pair) {
    const Error no{.code = Code::peer_unreachable, .message = "no witness confirms it"};
    if (parts_.config.witness.empty()) co_return no;
    lease_of(pair, boot_now());
    const BootTime sent = boot_now();
    std::vector<WitnessFolder::Item> one{record_of(pair)};
    auto found = co_await witness_.exchange(
        parts_.config.witness, std::move(one), parts_.config.lease_time / 2);
    if (!found) co_return found.error();
    const Holding held = take(pair, found->front(), sent);
    save();
    if (held != Holding::confirmed || is_out(pair.dataset)) co_return no;
    co_return ok();
}

}  // namespace zrepd::failover
