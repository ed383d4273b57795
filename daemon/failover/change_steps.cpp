// SPDX-License-Identifier: BSD-2-Clause
// The longer actions of a role change: the checks before it, the drain, mounts.
#include <algorithm>

#include "common/platform.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/change.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/fences.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/failover/tree_ways.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

constexpr std::chrono::seconds kCheckLimit{120};
// Mapped pages and open volumes may still be written after readonly; so often is looked again.
constexpr unsigned kMaxDrains = 5;
// All filesystems of a pair together.
constexpr std::chrono::seconds kWriteBackLimit{600};
// Another master takes writes meanwhile: what comes here goes to a rescue.
constexpr std::chrono::seconds kOvertakenLimit{10};
// Of each, when the time for all is used up: most have nothing to write.
constexpr std::chrono::milliseconds kAtLeast{100};

/// `why`: what the mount said; `kept`: why the key that is loaded was left there.
Error other_key(const DatasetName& name, const Error& why, const Error& kept) {
    const std::string quoted = quote(name.str());
    return Error{.code = Code::refused,
                 .message = "it cannot be mounted (" + why.message +
                            "). If the key that is loaded is that of before a zfs change-key: it "
                            "was not exchanged (" +
                            kept.message + ")",
                 .remedy = "zfs unload-key " + quoted + "; zfs load-key " + quoted +
                           "; zfs mount " + quoted +
                           "; where it has its key from above: of what zfs get encryptionroot "
                           "names"};
}

}  // namespace

/// Everything that can be known before anything is changed.
Task<bool> Change::check() {
    const Dataset* now = dataset();
    if (now == nullptr) co_return fail(gone());
    const auto closed = made_readonly(*now);
    if (closed) co_return fail(*closed);
    for (const auto& name : datasets()) {
        const Dataset* one = parts_.inventory.find(name);
        const bool member = one != nullptr && name != name_;
        const auto open = member ? escapes_readonly(*one, parts_.self.host) : std::nullopt;
        if (open) co_return fail(*open);
    }
    // What is newer than the snapshot that it goes back to is not wanted over there.
    bool synced = true;
    if (!back_to_.known()) synced = co_await sync_first();
    if (!synced) co_return false;
    const bool willing = co_await ask_target();
    if (!willing) co_return false;
    stopped_service_ = true;
    auto allowed = co_await hook(Hook::pre_demote, operation_);
    if (!allowed) co_return fail(allowed.error());
    co_return true;
}

/// A failover that asks nobody else asks this host's programs all the same. A resolve does not:
/// which side is the master is no question of whether it suits.
Task<Result<void>> Change::may_leave(Event event, ActionKind first) {
    const auto* ask = std::get_if<Asked>(&event);
    const bool alone = ask != nullptr && ask->command == Command::failover_local;
    if (!alone || first != ActionKind::store) co_return ok();
    // It serves nobody, and the other side may have taken over: nothing to stop, or to start again.
    if (dataset() != nullptr && role_.fences->must_hear(*dataset(), *pair_)) co_return ok();
    stopped_service_ = true;
    auto allowed = co_await hook(Hook::pre_demote, operation_);
    if (allowed) co_return ok();
    co_await hook_after(Hook::post_promote, std::string(kRecovery));
    co_return std::move(Error(allowed.error())).in("nothing changed, it is the master still");
}

/// Most of the data goes while the filesystem can still be written to.
Task<bool> Change::sync_first() {
    parts_.runs.phase(*run_, name_, "syncing");
    const rpc::RunResult result = co_await role_.engine.sync_now(name_);
    if (result.error) {
        co_return fail(sync_refused(rpc::from_item_error(*result.error)));
    }
    co_return true;
}

Task<bool> Change::ask_target() {
    parts_.runs.phase(*run_, name_, "checking");
    if (dataset() == nullptr) co_return fail(gone());
    rpc::CheckIn in = check_of(*pair_, *dataset(), parts_.inventory.versions(name_), back_to_);
    if (pair_->tree) in.members = parts_of_tree(parts_.inventory, *pair_, in.base);
    const auto limit = kCheckLimit + parts_.config.hook_timeout * kMaxHookPrograms;
    auto answer = co_await role_.peers.call_as<rpc::CheckOut>(pair_->peer, "peer.check", in, limit);
    if (!answer) co_return fail(std::move(Error(answer.error())).in(pair_->peer.str()));
    if (answer->problems.empty()) co_return true;
    co_return fail(refused_by(pair_->peer, answer->problems));
}

/// Pages of mapped files that programs wrote and the kernel keeps, for half a minute and more.
Task<Result<void>> Change::write_back(std::chrono::seconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    const std::string table = platform::mount_table();
    Result<void> out = ok();
    for (const DatasetName& name : datasets()) {
        const Dataset* now = parts_.inventory.find(name);
        const std::string place = now == nullptr || now->readonly ? "" : files_of(*now, table);
        if (place.empty()) continue;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        auto written = co_await parts_.zfs.sync_files(place, std::max(left, kAtLeast));
        // The others have something to write, too.
        if (!written && out) out = written.error();
    }
    co_return out;
}

/// Linux writes nothing back of a readonly filesystem when it is asked to (syncfs(2) is empty for
/// it), and throws away at the unmount what it still has: so before. One that stays the master
/// does not go on without; whoever is not the master any more must not stay writable for it, nor
/// for the pairs inside.
Task<bool> Change::before_readonly(Stored wanted) {
    if (wanted.writable || dataset()->readonly) co_return true;
    const bool overtaken = wanted.journal == Journal::rejoining && !back_to_.known();
    auto written = co_await write_back(overtaken ? kOvertakenLimit : kWriteBackLimit);
    if (!written && wanted.master) co_return fail(written.error());
    if (!written) warn("not_written_back", written.error());
    auto apart = co_await keep_others_writable();
    if (!apart && wanted.master) co_return fail(apart.error());
    if (!apart) warn("readonly_inside", apart.error());
    co_return true;
}

/// True when the target has everything.
Task<Result<bool>> Change::is_drained() {
    if (dataset() == nullptr) co_return gone();
    std::vector<std::string> pools{std::string(name_.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    // A snapshot of somebody else's a moment ago would make `written` zero.
    auto seen = co_await look_at_all(Freshness::listed);
    if (!seen) co_return seen.error();
    for (const DatasetName& name : datasets()) {
        const Dataset* now = parts_.inventory.find(name);
        const Versions* versions = parts_.inventory.versions(name);
        if (now == nullptr || versions == nullptr) co_return gone();
        if (!failover::is_drained(*now, *versions)) co_return false;
    }
    co_return true;
}

Task<bool> Change::drain() {
    for (unsigned i = 0; i < kMaxDrains; ++i) {
        parts_.runs.phase(*run_, name_, "draining");
        auto drained = co_await is_drained();
        if (!drained) co_return fail(drained.error());
        if (*drained) co_return true;
        const rpc::RunResult result = co_await role_.engine.sync_now(name_);
        if (result.error) co_return fail(rpc::from_item_error(*result.error).in("last sync"));
    }
    co_return fail({.code = Code::busy,
                    .message = name_.str() + " is still being written to, although it is readonly",
                    .remedy =
                        "stop the programs that have its files mapped (fuser -vm), or the "
                        "users of the volume, then run it again; the master is writable again"});
}

Task<Result<void>> Change::hook(Hook which, std::string operation) {
    if (dataset() == nullptr) co_return gone();
    HookContext context{.dataset = name_, .peer = pair_->peer, .peer_dataset = pair_->peer_dataset};
    const bool before = which == Hook::pre_demote || which == Hook::pre_promote;
    context.epoch = pair_->epoch + (before ? 1 : 0);
    context.operation = std::move(operation);
    context.kind = dataset()->kind == Kind::volume ? "volume" : "filesystem";
    context.mountpoint = dataset()->mountpoint.starts_with('/') ? dataset()->mountpoint : "";
    context.planned = planned_;
    context.run_id = run_->id();
    co_return co_await run_hooks(role_.processes, parts_.config, which, std::move(context));
}

Task<> Change::hook_after(Hook which, std::string operation) {
    auto ran = co_await hook(which, std::move(operation));
    if (!ran) warn("hook", ran.error());
}

/// Tried again and again with a side that does not answer, it says so once.
Task<> Change::leave() {
    co_await unmount();
    if (left_) co_return;
    left_ = true;
    co_await hook_after(Hook::post_demote, operation_);
}

/// Nobody is thrown out: who still uses it keeps a readonly filesystem, which is said.
Task<> Change::unmount() {
    if (pair_->tree)
        co_await unmount_all();
    else
        co_await unmount_one(name_);
}

Task<bool> Change::unmount_one(DatasetName name) {
    const Dataset* now = parts_.inventory.find(name);
    if (now == nullptr || !now->mounted) co_return true;
    auto done = co_await parts_.zfs.unmount(name);
    if (done) co_return true;
    if (left_) co_return false;
    Error error = std::move(Error(done.error())).in("unmount the old master");
    error.remedy =
        "it stays mounted, readonly; when its users are gone: zfs unmount " + quote(name.str());
    // Of a tree, what it is mounted in stays as well.
    if (name != name_) error.remedy += "; zfs unmount " + quote(name_.str());
    warn("still_mounted", error);
    co_return false;
}

/// False when a fence is to stay closed: it could not be mounted, and is tried again. Without one
/// what fails is told: the role is changed already, and the next boot mounts it.
Task<bool> Change::mount() {
    parts_.runs.phase(*run_, name_, "mounting");
    const bool partial = dataset() != nullptr && !dataset()->resume_token.empty();
    if (partial) {
        auto aborted = co_await parts_.zfs.abort_receive(name_);
        if (!aborted) warn("abort_failed", aborted.error());
    }
    const Dataset* now = dataset();
    if (now == nullptr) co_return true;
    const auto serve = parse_serve(now->own(prop::kServe).value_or(""));
    const bool hidden = is_hidden(*now);
    // Behind a fence its own properties count: zrep:serve may be of an earlier master.
    const bool by_itself = !serve || (hidden && entry_.journal != Journal::promoted);
    const bool wanted = now->kind == Kind::filesystem && (by_itself || serve->mounted);
    if (!wanted) co_return true;
    const Serve own{.mounted = true};
    const auto elsewhere = by_itself ? std::nullopt : wish_problem(*serve, *now, parts_.self.host);
    if (elsewhere) warn("mounted_elsewhere", *elsewhere);
    auto mounted = co_await mount_at(by_itself ? own : *serve);
    if (mounted) co_return true;
    warn("not_mounted", mounted.error());
    if (hidden) fail(mounted.error());
    co_return !hidden;
}

Task<Result<void>> Change::mount_at(Serve place) {
    const std::string path = place_of(place, *dataset());
    if (auto link = link_problem(path, *dataset(), mounted_here(parts_.inventory))) co_return *link;
    auto problem = mountpoint_problem(place, *dataset(), mounted_here(parts_.inventory));
    if (problem) {
        problem->remedy += "; then: zfs set mountpoint=" + quote(path) + " " + quote(name_.str()) +
                           "; zfs mount " + quote(name_.str());
        co_return *problem;
    }
    auto mounted = co_await mount_with_key(name_);
    if (mounted) co_return ok();
    Error error = mounted.error();
    const bool unknown = error.code == Code::zfs_failed;
    if (error.remedy.empty() || unknown) error.remedy = "zfs mount " + quote(name_.str());
    co_return error;
}

/// The key that is loaded may be that of before a zfs change-key of the old master, which a stream
/// brought along: then nothing but a mount shows it.
Task<Result<void>> Change::mount_with_key(DatasetName name) {
    const Dataset* now = parts_.inventory.find(name);
    const bool loaded = now == nullptr || now->key_loaded;
    const bool encrypted = now != nullptr && now->encrypted;
    if (loaded) {
        auto mounted = co_await parts_.zfs.mount(name);
        const bool denied = !mounted && mounted.error().code == Code::access_denied;
        if (!denied || !encrypted) co_return mounted;
        // A loaded one is not given away for one that cannot be had.
        auto there = co_await parts_.zfs.load_key(name, /*only_try=*/true);
        auto unloaded = there;
        if (there) unloaded = co_await parts_.zfs.unload_key(name);
        if (!unloaded) co_return other_key(name, mounted.error(), unloaded.error());
    }
    auto fresh = co_await parts_.zfs.load_key(name, /*only_try=*/false);
    if (!fresh) warn("key_not_loaded", fresh.error());
    co_return co_await parts_.zfs.mount(name);
}

Task<> Change::serve_it() {
    const bool served = co_await mount();
    if (!served) co_return;
    served_ = true;
    if (role_.fences != nullptr) role_.fences->opened(name_);
    co_await show_members();
    if (dataset() != nullptr) co_await hook_after(Hook::post_promote, operation_);
}

}  // namespace zrepd::failover
