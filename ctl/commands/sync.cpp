// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>

#include "ctl/command.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

void sync_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("yes", "with FILESYSTEM@SNAPSHOT: do it; without, say what would be lost, and ask on a terminal")
        ("dry-run", "say what would be done, do nothing");
    // clang-format on
}

/// Only people are asked: what reads standard input of a script is not one.
bool can_ask(const Invocation& invocation) {
    return !invocation.json && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

bool says_yes(const std::string& question) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s [y/N] ", question.c_str());
    std::string answer;
    std::getline(std::cin, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
}

/// So that the answer may take the other side longer than a call does.
std::string question_key() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return "put-back-" + std::to_string(::getpid()) + "-" + std::to_string(now);
}

int put_back(const Invocation& invocation) {
    if (invocation.words.size() > 1) {
        return usage_error(invocation, "one FILESYSTEM@SNAPSHOT at a time, and nothing beside it");
    }
    const auto snapshot = SnapshotName::parse(invocation.words.front());
    if (!snapshot) return usage_error(invocation, snapshot.error());
    rpc::PutBackIn in;
    in.dataset = snapshot->dataset().str();
    in.snapshot = snapshot->snapshot();
    if (in.dataset == "all") {
        return usage_error(invocation, "a snapshot is one filesystem's: all@... names none");
    }
    const auto start = [&](bool dry_run) {
        in.dry_run = dry_run;
        in.request_key.reset();
        if (dry_run) in.request_key = question_key();
        return start_and_follow(invocation, "pair.put_back", rpc::encode(in), {in.dataset});
    };
    if (invocation.has("dry-run")) return start(/*dry_run=*/true);
    if (invocation.has("yes")) return start(/*dry_run=*/false);
    const int possible = start(/*dry_run=*/true);
    if (possible != kDone) return possible;
    const std::string what = printable("the target of " + in.dataset + " back to @" + in.snapshot);
    if (can_ask(invocation) && says_yes("zrepctl: put " + what + "?")) {
        return start(/*dry_run=*/false);
    }
    if (!invocation.json) std::fputs("zrepctl: nothing was done; --yes does it\n", stderr);
    return kRefused;
}

int run_sync(const Invocation& invocation) {
    const auto& words = invocation.words;
    const bool back = std::any_of(words.begin(), words.end(), [](const std::string& word) {
        return word.find('@') != word.npos;
    });
    if (back) return put_back(invocation);
    if (invocation.has("yes")) {
        return usage_error(invocation, "--yes goes with FILESYSTEM@SNAPSHOT alone");
    }
    return start_on_selection<rpc::SyncIn>(invocation, "pair.sync");
}

}  // namespace

const Command kSync{
    "sync",
    "-S",
    "[--dry-run] FILESYSTEM...|all | FILESYSTEM@SNAPSHOT [--yes]",
    "Send what changed since the last sync",
    "Runs on the master's side. `all` means every filesystem whose master is here and that is not\n"
    "paused; a paused one can be synced by name. A filesystem that is being synced already is not\n"
    "sent twice: zrepctl waits for that run, and syncs what was written since it began. One that is\n"
    "being expired or initialized is refused when it is the only one named; else it waits its turn.\n"
    "An interrupted stream is resumed.\n\n"
    "With @SNAPSHOT, an acknowledged one, nothing is sent: the target goes back to it, and stays there,\n"
    "paused, until zrepctl unpause and the next sync, which brings it forward by an increment. Only\n"
    "zrep snapshots that the master has as well are destroyed there, and what was written there since;\n"
    "anything else that is newer is a refusal. Says first what would be done and lost, and asks; without\n"
    "a terminal it wants --yes.\n\n"
    "Example:\n  zrepctl sync tank/fs\n  zrepctl sync all\n  zrepctl sync tank/fs@zrep_000041 --dry-run\n",
    1,
    10000,
    sync_options,
    run_sync,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
