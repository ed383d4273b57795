// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("yes", "with drop: do it; without, only say what would be destroyed");
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
    in.dry_run = !invocation.has("yes");
    if (in.dry_run && !invocation.json) {
        std::fputs("zrepctl: nothing is destroyed without --yes\n", stderr);
    }
    return start_and_follow(invocation, "rescue.drop", rpc::encode(in), chosen->datasets);
}

int run(const Invocation& invocation) {
    std::vector<std::string> words = invocation.words;
    const std::string verb = words.front();
    words.erase(words.begin());
    if (verb == "list" && words.empty()) return list(invocation);
    if (verb == "list") return usage_error(invocation, "list takes no arguments");
    if (verb == "drop") return drop(invocation, words);
    return usage_error(invocation, "rescue takes list or drop, not " + quote(verb));
}

}  // namespace

const Command kRescue{
    "rescue",
    "",
    "list | drop COPY --yes",
    "Show, or let go of, what a former master never sent",
    "A master that is overtaken keeps what the other side never got in FILESYSTEM_diverged_EPOCH\n"
    "beside it: readonly, not mounted, a clone that holds only the difference. To look at one: zfs\n"
    "mount COPY. It stays until it is dropped.\n\n"
    "Example:\n  zrepctl rescue list\n  zrepctl rescue drop tank/fs_diverged_2 --yes\n",
    1,
    2,
    add_options,
    run,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
