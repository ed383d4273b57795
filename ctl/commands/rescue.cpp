// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

// A diff of a large filesystem that is mounted anyway may take ten minutes; some more for its
// locks.
constexpr std::chrono::minutes kDiffLimit{12};

void rescue_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("yes", "with drop: do it; without, only say what would be destroyed")
        ("dry-run", "with drop: say what would be destroyed, as without --yes, which it overrules")
        ("limit", po::value<std::string>()->value_name("N"),
         "with diff: so many changes, at most 10000 [1000]");
    // clang-format on
}

int list(const Invocation& invocation) {
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    const auto out = client->call_as<rpc::RescueListOut>("rescue.list", rpc::Empty{});
    if (!out) return complain(invocation, out.error());
    if (invocation.json) {
        print_json(rpc::encode(*out));
        return kDone;
    }
    for (const auto& rescue : out->rescues) {
        std::printf("%s  of %s, %s\n",
                    rescue.dataset.c_str(),
                    rescue.of.c_str(),
                    human_bytes(rescue.referenced_bytes).c_str());
    }
    if (out->rescues.empty()) std::puts("no rescues here");
    return kDone;
}

int drop(const Invocation& invocation, const std::vector<std::string>& names) {
    if (names.size() != 1) return usage_error(invocation, "drop takes one rescue");
    auto chosen = select(names, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    rpc::RescueDropIn in;
    in.dataset = chosen->datasets.front();
    const bool asked = invocation.has("dry-run");
    in.dry_run = asked || !invocation.has("yes");
    if (in.dry_run && !asked && !invocation.json) {
        std::fputs("zrepctl: nothing is destroyed without --yes\n", stderr);
    }
    return start_and_follow(invocation, "rescue.drop", rpc::encode(in), chosen->datasets);
}

/// The daemon answers within 5 s, also that it is not done yet: the same key again waits on.
Result<rpc::RescueDiffOut> ask_diff(Client& client, rpc::RescueDiffIn in) {
    const auto began = std::chrono::steady_clock::now();
    in.request_key =
        "diff-" + std::to_string(getpid()) + "-" + std::to_string(began.time_since_epoch().count());
    while (true) {
        auto out = client.call_as<rpc::RescueDiffOut>("rescue.diff", in);
        if (out || out.error().code != Code::timed_out) return out;
        if (std::chrono::steady_clock::now() - began > kDiffLimit) return out;
    }
}

void print_diff(const rpc::RescueDiffOut& out) {
    for (const auto& change : out.changes) {
        const std::string folder = change.type == "directory" && change.path != "/" ? "/" : "";
        std::string line = change.change + "  " + change.path + folder;
        if (change.new_path) line += " -> " + *change.new_path + folder;
        std::printf("%s\n", printable(line).c_str());
    }
    std::printf("%s: %zu changes since %s, %s\n",
                printable(out.snapshot).c_str(),
                out.changes.size(),
                printable(out.base).c_str(),
                human_bytes(out.bytes).c_str());
    std::fflush(stdout);
    if (!out.note.empty()) std::fprintf(stderr, "zrepctl: %s\n", printable(out.note).c_str());
}

int diff(const Invocation& invocation, const std::vector<std::string>& names) {
    if (names.size() != 1) return usage_error(invocation, "diff takes one rescue");
    auto chosen = select(names, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    rpc::RescueDiffIn in;
    in.dataset = chosen->datasets.front();
    if (invocation.has("limit")) {
        const auto limit = parse_u64(invocation.options["limit"].as<std::string>());
        if (!limit) return usage_error(invocation, "--limit takes a number");
        in.limit = *limit;
    }
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return complain(invocation, client.error());
    const auto out = ask_diff(*client, std::move(in));
    if (!out) return complain(invocation, out.error());
    if (invocation.json)
        print_json(rpc::encode(*out));
    else
        print_diff(*out);
    return kDone;
}

int run_rescue(const Invocation& invocation) {
    std::vector<std::string> words = invocation.words;
    const std::string verb = words.front();
    words.erase(words.begin());
    if (verb == "list" && words.empty()) return list(invocation);
    if (verb == "list") return usage_error(invocation, "list takes no arguments");
    if (verb == "drop") return drop(invocation, words);
    if (verb == "diff") return diff(invocation, words);
    return usage_error(invocation, "rescue takes list, diff or drop, not " + quote(verb));
}

}  // namespace

const Command kRescue{
    "rescue",
    "",
    "list | diff COPY [--limit N] | drop COPY [--yes|--dry-run]",
    "Show, or let go of, what a former master never sent",
    "A master that is overtaken keeps what the other side never got in FILESYSTEM_diverged_EPOCH\n"
    "beside it: readonly, not mounted, a clone that holds only the difference. To look at one: zfs\n"
    "mount COPY. It stays until it is dropped.\n\n"
    "diff names the files that it has and the snapshot that both sides have had not: added, removed,\n"
    "modified or renamed. What is not mounted is so meanwhile, readonly and where nobody looks; a target\n"
    "takes no stream for that time, at most 45 s. Of a volume only the bytes are known.\n\n"
    "Example:\n  zrepctl rescue list\n  zrepctl rescue diff tank/fs_diverged_2\n"
    "  zrepctl rescue drop tank/fs_diverged_2 --yes\n",
    1,
    2,
    rescue_options,
    run_rescue,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
