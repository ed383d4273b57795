// SPDX-License-Identifier: BSD-2-Clause
// A takeover without the master asks the witness on which that counts.
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/roles.hpp"

namespace zrepd::failover {
namespace {

// A folder that takes longer would be no use to a master either.
constexpr std::chrono::milliseconds kWitnessLimit{5'000};
// One that is just being written is there at the next look.
constexpr unsigned kLooks = 3;

std::string word_of_operator(const plan::Pair& pair) {
    return "when you are sure that nobody writes to " + pair.peer.str() + ":" +
           pair.peer_dataset.str() + ", because it is off for example: zrepctl takeover -L " +
           "--master-is-off " + quote(pair.dataset.str());
}

Error still_held(const plan::Pair& pair, const std::string& witness) {
    return Error{
        .code = Code::refused,
        .message = "the old master still holds its lease at the witness " + witness + ": " +
                   pair.peer.str() + " is alive and serves " + pair.peer_dataset.str(),
        .remedy =
            "find out why " + pair.peer.str() + " cannot be reached; a planned change needs no -L"};
}

Error unknown_there(const plan::Pair& pair, const std::string& witness) {
    return Error{.code = Code::refused,
                 .message = "the witness " + witness + " does not know " + pair.peer.str() + ":" +
                            pair.peer_dataset.str() + ", which counts on it",
                 .remedy = "look whether it is mounted here; or, " + word_of_operator(pair)};
}

Error another_witness(const plan::Pair& pair, const LeaseNote& note, const sync::Parts& parts) {
    const std::string& ours = parts.config.witness;
    return Error{
        .code = Code::refused,
        .message = pair.peer.str() + " counts on the witness " + note.witness + "; this host has " +
                   (ours.empty() ? "none" : ours),
        .remedy = "set witness = " + note.witness + " in " + parts.config.file.string() +
                  ", the same folder under the same name on both hosts, and restart zrepd; or, " +
                  word_of_operator(pair)};
}

}  // namespace

Task<Result<std::optional<Record>>> Roles::look_at_witness(plan::Pair pair,
                                                           std::optional<Record> write) {
    const std::string& witness = parts_.config.witness;
    if (witness.empty()) {
        co_return Error{
            .code = Code::refused,
            .message = pair.peer.str() + " counts on a witness, and none is set on this host",
            .remedy = "set witness = DIR in " + parts_.config.file.string() +
                      " and restart zrepd; or, " + word_of_operator(pair)};
    }
    std::vector<WitnessFolder::Item> one{{.sides = sides_of(pair, parts_.self), .write = write}};
    auto found = co_await witness_.exchange(witness, std::move(one), kWitnessLimit);
    if (!found) {
        Error error = found.error();
        error.code = Code::refused;
        error.remedy += "; or, " + word_of_operator(pair);
        co_return error;
    }
    if (write && !found->front().written) co_return unknown_there(pair, witness);
    co_return found->front().theirs;
}

Task<Result<BootTime>> Roles::watch_witness(plan::Pair pair, LeaseNote note, Watch* seen) {
    if (note.witness != parts_.config.witness) co_return another_witness(pair, note, parts_);
    std::optional<Record> record;
    for (unsigned i = 0; i < kLooks && !record; ++i) {
        if (i > 0) co_await sleep_for(std::chrono::milliseconds(200));
        auto found = co_await look_at_witness(pair, std::nullopt);
        if (!found) co_return found.error();
        record = *found;
    }
    if (!record) co_return unknown_there(pair, parts_.config.witness);
    const BootTime now = boot_now();
    observe(*seen, *record, now);
    // It was written to since we saw it first, when nobody here confirmed it any more.
    const bool alive = seen->changes > 0 && now - seen->since < note.wait / 2;
    const auto left = grants_.wait_left(pair.dataset);
    if (alive && (!left || *left <= BootTime(0))) co_return still_held(pair, parts_.config.witness);
    co_return std::max(BootTime(0), seen->since + note.wait - now);
}

/// First that it is ours, then the look whether the master has written meanwhile: it does it the
/// same way round, so one of us sees the other.
Task<Result<void>> Roles::claim_at_witness(plan::Pair pair, Watch seen) {
    const Sides sides = sides_of(pair, parts_.self);
    Record ours{.side = sides.ours,
                .epoch = pair.epoch + 1,
                .holds = true,
                .count = static_cast<std::uint64_t>(boot_now().count())};
    auto theirs = co_await look_at_witness(pair, ours);
    if (!theirs) co_return theirs.error();
    if (*theirs == seen.last) co_return ok();
    ours.holds = false;
    ++ours.count;
    auto undone = co_await look_at_witness(pair, ours);
    if (!undone) co_return undone.error();
    co_return still_held(pair, parts_.config.witness);
}

}  // namespace zrepd::failover
