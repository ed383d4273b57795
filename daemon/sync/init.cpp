// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/init.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/estimate.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/engine.hpp"
#include "daemon/sync/init_plan.hpp"
#include "daemon/sync/init_tries.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::seconds kPrepareLimit{60};
// Each member over there takes a transaction group, and is unmounted.
constexpr std::chrono::seconds kAdoptMember{1};

/// Wherever they stand in it.
std::string without(std::string text, std::string_view words) {
    for (auto at = text.find(words); at != text.npos; at = text.find(words, at))
        text.erase(at, words.size());
    return text;
}

/// One init under way, cut into its steps.
class Init {
  public:
    Init(SourceParts source, RunPtr run, InitRequest request)
        : source_(source),
          parts_(source.parts),
          run_(std::move(run)),
          request_(std::move(request)) {}

    Task<Result<rpc::RunResult>> go();

  private:
    /// Both sides are a pair then; the snapshot that both have or that is to be sent.
    Task<Result<Snapshot>> prepare();
    Task<Result<rpc::PeerSnapshot>> ask_for_adoption();
    Task<Result<Snapshot>> adopt();
    Task<Result<void>> ask_for_tree();
    Task<Result<rpc::RunResult>> tree();
    Task<Result<void>> ask_for_place();
    Task<Result<void>> store_pair();
    Task<Result<Snapshot>> take_snapshot();
    /// The same, without those of earlier tries: of the unfinished init there is one then.
    Task<Result<Snapshot>> only_snapshot();
    /// The snapshot that the target's partial or complete receive belongs to.
    Task<Result<Snapshot>> interrupted_snapshot();
    Task<Result<void>> bring_over(const Snapshot& snapshot);
    Task<Result<void>> send(const Snapshot& snapshot);
    Task<Result<void>> commit(const Snapshot& snapshot);
    Task<Result<void>> complete();
    Error to_be_continued(Error error) const;
    std::string outcome(const Snapshot& snapshot) const;

    SourceParts source_;
    Parts& parts_;
    RunPtr run_;
    InitRequest request_;
    rpc::PrepareOut prepared_;
    std::vector<std::string> notes_;
    bool begun_ = false;  ///< by an earlier try
    bool abort_partial_ = false;
    bool resumed_ = false;
    std::uint64_t done_bytes_ = 0;  ///< of an interrupted stream, over there
    std::uint64_t bytes_ = 0;
};

Task<Result<void>> Init::ask_for_place() {
    const Dataset* dataset = parts_.inventory.find(request_.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    rpc::PrepareIn ask = prepare_request(*dataset, request_);
    if (request_.recursive) ask.referenced_bytes = tree_bytes(parts_, request_.dataset);
    ask.sends = true;
    auto prepared = co_await source_.peers.call_as<rpc::PrepareOut>(
        request_.host, "peer.prepare", ask, kPrepareLimit);
    if (!prepared) co_return failed_there(request_.host, prepared.error()).in(request_.host.str());
    prepared_ = std::move(*prepared);
    // Somebody may have looked meanwhile.
    dataset = parts_.inventory.find(request_.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    co_return check_prepared(*dataset, prepared_, request_);
}

Task<Result<Snapshot>> Init::prepare() {
    auto place = co_await ask_for_place();
    if (!place) co_return place.error();
    begun_ = was_begun(parts_.inventory, request_.dataset);
    auto stored = co_await store_pair();
    if (!stored) co_return stored.error();
    if (prepared_.state == "new") co_return co_await only_snapshot();
    co_return co_await interrupted_snapshot();
}

/// The base.
Task<Result<rpc::PeerSnapshot>> Init::ask_for_adoption() {
    auto seen = co_await look_at_source(parts_, request_);
    if (!seen) co_return seen.error();
    const rpc::AdoptIn ask = adopt_request(parts_.inventory, request_, /*dry_run=*/false);
    const auto members = ask.members ? static_cast<std::int64_t>(ask.members->size()) : 0;
    auto adopted = co_await source_.peers.call_as<rpc::AdoptOut>(
        request_.host, "peer.adopt", ask, kPrepareLimit + members * kAdoptMember);
    if (!adopted) {
        Error error = failed_there(request_.host, adopted.error());
        // Its answer names a way out; that it was too long to ask does not.
        if (members > 0 && error.code == Code::invalid_params && error.remedy.empty())
            error.remedy =
                "make pairs of some of the datasets below it first (zrepctl init --adopt "
                "of each, without -r), or destroy snapshots that nobody needs";
        co_return std::move(error).in(request_.host.str());
    }
    notes_ = adopted->notes;
    co_return adopted->base;
}

Task<Result<Snapshot>> Init::adopt() {
    auto adopted = co_await ask_for_adoption();
    if (!adopted) co_return adopted.error();
    auto stored = co_await store_pair();
    if (!stored) co_return stored.error();
    const Versions* versions = parts_.inventory.versions(request_.dataset);
    const Snapshot* base = versions == nullptr ? nullptr : find_snapshot(*versions, adopted->guid);
    if (base != nullptr) {
        const Snapshot out = *base;
        // What another copy acknowledged would count as how fresh this one is.
        auto known = co_await forget_newer(parts_, request_.dataset, out.guid);
        if (!known) co_return known.error();
        co_return out;
    }
    co_return Error{.code = Code::conflict,
                    .message = "@" + adopted->name + ", which both had, is gone here",
                    .remedy = "run " + init_command(request_) + " again"};
}

/// No scheduler repeats an init: whatever else there is to do, this comes after it.
Error Init::to_be_continued(Error error) const {
    // What is said so of a pair that is complete.
    for (const char* again : {", then run the same again; it continues", ", then sync again"})
        error.remedy = without(std::move(error.remedy), again);
    if (!error.remedy.empty()) error.remedy += "; then ";
    error.remedy += "run " + init_command(request_) + " again; it continues";
    return error;
}

Task<Result<void>> Init::ask_for_tree() {
    TreeSync asking(source_, run_, tree_pair(request_));
    auto known = co_await asking.ask_peer(SteadyClock::now() + kPrepareLimit);
    if (!known) co_return known.error();
    if (!request_.adopt) co_return co_await ask_for_place();
    const auto adopted = co_await ask_for_adoption();
    if (!adopted) co_return adopted.error();
    // Its first sync is to acknowledge all of it, and to hold it.
    co_return co_await forget_acknowledged(parts_, request_.dataset);
}

/// A sync of all members. The root's first stream founds the pair over there, unless that was
/// adopted.
Task<Result<rpc::RunResult>> Init::tree() {
    auto ready = co_await ask_for_tree();
    if (!ready) co_return ready.error();
    auto stored = co_await store_pair();
    if (!stored) co_return stored.error();
    std::vector<DatasetName> one{request_.dataset};
    auto seen = co_await look_here(parts_, std::move(one), Freshness::listed);
    if (!seen) co_return seen.error();
    Founding founding;
    for (auto& [key, value] : pair_properties(parts_, request_)) founding[key] = value;
    const auto pair = parts_.inventory.pair(request_.dataset);
    if (!pair) co_return Error{.code = Code::not_found, .message = "it is gone"};
    TreeSync work(source_, run_, *pair, std::move(founding));
    auto result = co_await work.sync();
    if (!result && result.error().code == Code::busy) co_return result.error();
    if (!result) co_return to_be_continued(result.error());
    auto completed = co_await complete();
    if (!completed) co_return completed.error();
    result->outcome = "done";
    result->text += ", to " + request_.host.str() + ":" + request_.target.str();
    for (const auto& note : notes_) result->text += "; " + note;
    co_return std::move(*result);
}

/// Held before it is sent: a first stream may run for days. What is adopted is there already, and
/// held as it is acknowledged; before, nobody would know that the hold is ours.
Task<Result<void>> Init::bring_over(const Snapshot& snapshot) {
    if (request_.adopt) co_return ok();
    auto name = SnapshotName::make(request_.dataset, snapshot.name);
    if (!name) co_return name.error();
    std::vector<SnapshotName> names{*name};
    auto held = co_await parts_.zfs.hold(std::move(names));
    if (!held || prepared_.state == "received") co_return held;
    co_return co_await send(snapshot);
}

Task<Result<rpc::RunResult>> Init::go() {
    parts_.runs.phase(*run_, request_.dataset, "looking");
    if (request_.recursive) co_return co_await tree();
    Result<Snapshot> snapshot = Error{};
    if (request_.adopt)
        snapshot = co_await adopt();
    else
        snapshot = co_await prepare();
    if (!snapshot) co_return snapshot.error();
    auto there = co_await bring_over(*snapshot);
    if (!there) co_return there.error();
    auto committed = co_await commit(*snapshot);
    if (!committed) co_return committed.error();
    rpc::RunResult result;
    result.outcome = "done";
    result.bytes = bytes_;
    result.resumed = resumed_;
    result.text = outcome(*snapshot);
    co_return result;
}

std::string Init::outcome(const Snapshot& snapshot) const {
    const std::string there = request_.host.str() + ":" + request_.target.str();
    const std::string what = request_.dataset.str() + "@" + snapshot.name;
    if (request_.adopt) {
        std::string out = there + " is the target now, as it is: both have " + what;
        for (const auto& note : notes_) out += "; " + note;
        return out;
    }
    return std::string(resumed_ ? "resumed and sent " : "sent ") + what + ", " +
           human_bytes(bytes_) + ", to " + there;
}

Task<Result<void>> Init::store_pair() {
    PropertyList properties = pair_properties(parts_, request_);
    properties.emplace_back(prop::kInprogress, "init");
    // Left from an earlier pair, a yes would make this one complete before its first stream.
    properties.emplace_back(prop::kMaster, "no");
    auto stored = co_await parts_.zfs.set(request_.dataset, std::move(properties));
    if (!stored) co_return stored.error();
    co_return co_await parts_.inventory.refresh_one(request_.dataset, Freshness::listed);
}

Task<Result<Snapshot>> Init::take_snapshot() {
    const Versions* versions = parts_.inventory.versions(request_.dataset);
    // A try that never reached the other side left its snapshot: it serves as well as a new one.
    const Snapshot* unsent = unsent_snapshot(parts_.inventory.find(request_.dataset), versions);
    if (unsent != nullptr) co_return *unsent;
    auto room = room_for_first(parts_.inventory, request_.dataset);
    if (!room) co_return to_be_continued(room.error());
    auto name = SnapshotName::make(request_.dataset, next_name(versions));
    if (!name) co_return name.error();
    parts_.runs.phase(*run_, request_.dataset, "snapshot");
    std::vector<SnapshotName> names{*name};
    auto taken = co_await parts_.zfs.snapshot(std::move(names));
    if (!taken.front()) co_return taken.front().error();
    Snapshot snapshot = std::move(*taken.front());
    parts_.inventory.add_snapshot(request_.dataset, snapshot);
    co_return snapshot;
}

Task<Result<Snapshot>> Init::only_snapshot() {
    // Nothing of an earlier try is on the other side, nor can be gone on with. Taken first: a cut
    // between the two leaves one too many.
    auto snapshot = co_await take_snapshot();
    if (snapshot && begun_) co_await drop_earlier_tries(parts_, request_.dataset, snapshot->name);
    co_return snapshot;
}

Task<Result<Snapshot>> Init::interrupted_snapshot() {
    const Versions* versions = parts_.inventory.versions(request_.dataset);
    if (prepared_.state == "received")
        co_return received_snapshot(versions, prepared_.snapshots, request_);
    auto token = co_await usable_token(parts_, request_.dataset, prepared_.resume_token);
    if (!token) co_return token.error();
    if (*token) done_bytes_ = (*token)->bytes_done;
    versions = parts_.inventory.versions(request_.dataset);
    const Snapshot* found =
        *token && versions != nullptr ? find_snapshot(*versions, (*token)->guid) : nullptr;
    if (found != nullptr && zrep_sequence(found->name)) {
        resumed_ = true;
        co_return *found;
    }
    // The snapshot of the partial stream is gone: the target throws its part away, we start anew.
    abort_partial_ = true;
    prepared_.state = "new";
    co_return co_await only_snapshot();
}

Task<Result<void>> Init::send(const Snapshot& snapshot) {
    const Dataset* dataset = parts_.inventory.find(request_.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    Transfer what{.dataset = request_.dataset, .peer = request_.host, .request = {}, .send = {}};
    what.limit_bytes_per_second = plan::settings_of(*dataset).limit_bytes_per_second;
    what.request.source = request_.dataset.str();
    what.request.target = request_.target.str();
    what.request.snapshot = snapshot.name;
    what.request.mode = resumed_ ? "resume" : "full";
    what.request.kind = dataset->kind == Kind::volume ? "volume" : "filesystem";
    what.request.abort_partial = abort_partial_;
    for (auto& [key, value] : pair_properties(parts_, request_)) what.request.settings[key] = value;
    what.send.raw = dataset->encrypted;
    if (resumed_) {
        what.send.token = prepared_.resume_token;
    } else {
        auto name = SnapshotName::make(request_.dataset, snapshot.name);
        if (!name) co_return name.error();
        what.send.snapshot = *name;
    }
    const std::uint64_t done = resumed_ ? done_bytes_ : 0;
    parts_.runs.expect(
        *run_, request_.dataset, plan::stream_bytes(dataset, nullptr, snapshot.guid, Guid{}, done));
    plan::Stream wish{.peer = request_.host, .first = true};
    const auto place = co_await source_.streams.acquire(std::move(wish), request_.dataset);
    if (!place) co_return place.error();
    auto moved = co_await transfer(source_, run_, std::move(what));
    if (!moved) co_return to_be_continued(moved.error());
    bytes_ = *moved;
    co_return ok();
}

Task<Result<void>> Init::commit(const Snapshot& snapshot) {
    parts_.runs.phase(*run_, request_.dataset, "acknowledging");
    rpc::CommitIn in;
    in.sent = unix_now();
    const Dataset* dataset = parts_.inventory.find(request_.dataset);
    in.items.push_back({request_.dataset.str(),
                        request_.target.str(),
                        snapshot.name,
                        snapshot.guid,
                        1,
                        dataset == nullptr ? "" : failover::to_text(failover::serve_of(*dataset)),
                        source_.peers.offers(request_.host, rpc::kOffersAges)
                            ? age_for_peer(snapshot)
                            : std::nullopt});
    auto answer = co_await source_.peers.call_as<rpc::CommitOut>(
        request_.host, "peer.commit", in, kCommitLimit);
    if (!answer) co_return failed_there(request_.host, answer.error());
    if (answer->items.size() != 1) {
        co_return Error{.code = Code::peer_protocol, .message = "the peer acknowledged nothing"};
    }
    if (answer->items[0].error) {
        co_return failed_there(request_.host, rpc::from_item_error(*answer->items[0].error));
    }
    auto name = SnapshotName::make(request_.dataset, snapshot.name);
    if (!name) co_return name.error();
    std::vector<Acked> acked{{*name, snapshot.guid}};
    auto outcomes = co_await acknowledge(parts_, Side::master, in.sent, std::move(acked));
    if (!outcomes.front().acknowledged) co_return outcomes.front().acknowledged.error();
    for (auto& failed : outcomes.front().failed) notes_.push_back(std::move(failed));
    if (const auto age = age_of(snapshot))
        parts_.runs.note_fresh(request_.dataset, snapshot.guid, *age);
    co_return co_await complete();
}

Task<Result<void>> Init::complete() {
    // Last, in one transaction: from here on this side is the master of a complete pair.
    PropertyList properties{{std::string(prop::kMaster), "yes"},
                            {std::string(prop::kInprogress), ""}};
    auto set = co_await parts_.zfs.set(request_.dataset, std::move(properties));
    if (!set) co_return set.error();
    // Empty says as much as absent; this only keeps zfs get clean.
    std::vector<std::string> empty{std::string(prop::kInprogress)};
    auto cleaned = co_await parts_.zfs.inherit(request_.dataset, std::move(empty));
    if (!cleaned) {
        log::event(log::Level::warn,
                   "bookkeeping",
                   {{"dataset", request_.dataset.str()}, {"warning", cleaned.error().text()}});
    }
    co_return co_await parts_.inventory.refresh_one(request_.dataset, Freshness::cached);
}

}  // namespace

Task<Result<void>> look_at_source(Parts& parts, const InitRequest& request) {
    std::vector<DatasetName> which{request.dataset};
    if (request.recursive) which = parts.inventory.members(request.dataset);
    auto left_out = co_await parts.inventory.refresh(std::move(which), Freshness::listed);
    if (!left_out) co_return left_out.error();
    if (!left_out->empty()) co_return left_out->begin()->second;
    if (parts.inventory.find(request.dataset) == nullptr) co_return no_dataset(request.dataset);
    co_return ok();
}

Task<Result<void>> check_init_here(Parts& parts, const InitRequest& request) {
    auto names = check_names(parts, request);
    if (!names) co_return names;
    auto available = parts.zfs.check_pool(request.dataset.pool());
    if (!available) co_return available;
    // Everything, because pairs above and below matter.
    auto seen = co_await parts.inventory.discover();
    if (!seen) co_return seen;
    const Dataset* dataset = parts.inventory.find(request.dataset);
    if (dataset == nullptr) co_return no_dataset(request.dataset);
    auto nesting = check_nesting(parts, request);
    if (!nesting || !request.recursive) co_return nesting;
    co_return check_tree(parts, request);
}

Result<void> check_no_nested_init(const Parts& parts, const InitRequest& request) {
    const auto other = parts.runs.nested_newcomer(request.dataset);
    if (!other) return ok();
    return nested_pair(
        request.dataset, *other, request.dataset.is_below(*other) ? "inside" : "around");
}

Task<Result<rpc::RunResult>> init_pair(SourceParts source, RunPtr run, InitRequest request) {
    Init init(source, std::move(run), std::move(request));
    co_return co_await init.go();
}

}  // namespace zrepd::sync
