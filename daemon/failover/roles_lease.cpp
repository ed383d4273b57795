// SPDX-License-Identifier: BSD-2-Clause
// Leases where roles change: what a target answers its master, and how long it leaves that alone.
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/roles.hpp"

namespace zrepd::failover {
namespace {

constexpr std::chrono::seconds kShowEvery{1};

std::string seconds(BootTime time) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}

Error not_bound(const plan::Pair& pair) {
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    return Error{.code = Code::refused,
                 .message = there +
                            " is not known to count on a lease (zrep:fence=lease): it may stay "
                            "writable however long this side waits",
                 .remedy =
                     "when you are sure that nobody writes there, because it is off for example: "
                     "zrepctl takeover -L --master-is-off " +
                     quote(pair.dataset.str())};
}

}  // namespace

Task<Result<rpc::LeaseOut>> Roles::lease(std::string peer, rpc::LeaseIn in) {
    rpc::LeaseOut out;
    // Nothing is begun any more that would have to be ended.
    if (stopped_) co_return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
    for (const auto& side : in.sides) out.sides.push_back(confirm_side(peer, in, side));
    co_return out;
}

rpc::LeaseOut::Side Roles::confirm_side(const std::string& peer,
                                        const rpc::LeaseIn& in,
                                        const rpc::LeaseIn::Side& asked) {
    rpc::LeaseOut::Side out;
    out.target = asked.target;
    const auto pair = pair_with(peer, asked.target, asked.source);
    if (!pair) return out;
    out.master = pair->role == plan::Role::master;
    out.epoch = pair->epoch;
    const BootTime most = kLongestLease;
    const auto time =
        static_cast<BootTime::rep>(std::min(in.lease_ms, static_cast<std::uint64_t>(most.count())));
    const Grants::Question question{.epoch = asked.epoch,
                                    .sent_ms = in.sent_ms,
                                    .note = {.wait = wait_of(BootTime(time)),
                                             .witness = in.witness.value_or(""),
                                             .open = !asked.counts}};
    // A longer one would be given up here before it is over there.
    const bool good = in.lease_ms <= static_cast<std::uint64_t>(most.count());
    if (asked.release)
        out.confirmed = grants_.release(*pair, in.sent_ms, tasks_);
    else
        out.confirmed = good && grants_.confirm(*pair, question, tasks_);
    return out;
}

/// Nothing is confirmed from here on, so the wait has an end, and the old master turns readonly if
/// it lives.
Task<Result<Grants::Decision>> Roles::decide(sync::RunPtr run,
                                             Ask ask,
                                             plan::Pair pair,
                                             OldMaster old) {
    const bool alone = ask == Ask::takeover_local && pair.role == plan::Role::target;
    if (!alone) co_return Grants::Decision();
    Grants::Decision decision = grants_.decide(pair.dataset);
    if (old == OldMaster::off) co_return decision;
    const auto note = grants_.note(pair.dataset);
    // There is no time after which it would be readonly.
    const bool wanted = note || pair.settings.fence == plan::Fence::lease;
    if (wanted && (!note || note->open)) co_return not_bound(pair);
    auto over = co_await wait_for_lease(std::move(run), std::move(pair));
    if (!over) co_return over.error();
    co_return decision;
}

Task<Result<void>> Roles::wait_for_lease(sync::RunPtr run, plan::Pair pair) {
    const auto note = grants_.note(pair.dataset);
    const bool asks = note && !note->witness.empty();
    Watch seen;
    while (true) {
        BootTime left = grants_.wait_left(pair.dataset).value_or(BootTime(0));
        if (asks) {
            auto there = co_await watch_witness(pair, *note, &seen);
            if (!there) co_return there.error();
            left = std::max(left, *there);
        }
        if (left <= BootTime(0)) break;
        parts_.runs.phase(
            *run,
            pair.dataset,
            "waiting until the lease of " + pair.peer.str() + " has run out: " + seconds(left));
        co_await sleep_for(std::min<BootTime>(left, kShowEvery));
        const bool stop = co_await cancelled();
        if (stop) {
            co_return Error{
                .code = Code::cancelled,
                .message = "zrepd is stopping; " + pair.dataset.str() + " is still the target",
                .remedy = "run it again when zrepd is back"};
        }
    }
    if (!asks) co_return ok();
    co_return co_await claim_at_witness(std::move(pair), std::move(seen));
}

Result<std::vector<std::string>> Roles::lease_steps(const plan::Pair& pair, OldMaster old) const {
    std::vector<std::string> out;
    if (old == OldMaster::off) return out;
    const auto left = grants_.wait_left(pair.dataset);
    const auto note = grants_.note(pair.dataset);
    const bool wanted = note || pair.settings.fence == plan::Fence::lease;
    if (wanted && (!note || note->open)) return not_bound(pair);
    if (!left) return out;
    // From the moment of the decision, if it is confirmed until then.
    const BootTime most = note ? note->wait : *left;
    out.push_back("wait until the lease of " + pair.peer.str() + " has run out, at most " +
                  seconds(std::max(most, *left)) + ": then it is readonly, wherever it is");
    if (note && !note->witness.empty()) {
        out.push_back("claim " + pair.dataset.str() + " at the witness " + parts_.config.witness +
                      ": refused while " + pair.peer.str() + " renews its lease there");
    }
    return out;
}

}  // namespace zrepd::failover
