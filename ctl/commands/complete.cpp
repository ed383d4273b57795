// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl complete -- WORD...`: what the shells' completion asks (ctl/completion/). A question in
// the middle of typing: whatever goes wrong, nothing is said, and nothing takes longer than a
// moment.
#include <chrono>
#include <cstdio>

#include "ctl/command.hpp"
#include "ctl/commands/commands.hpp"
#include "ctl/completion.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::chrono::milliseconds kMoment{1500};

Names ask_daemon(const std::string& socket, Wanted wanted) {
    Names out;
    call_limit = kMoment;
    auto client = Client::connect(socket, /*read_only=*/true);
    if (!client) return out;
    if (wanted == Wanted::copies) {
        auto list = client->call_as<rpc::RescueListOut>("rescue.list", rpc::Empty{});
        if (!list) return out;
        for (const auto& copy : list->rescues) out.copies.push_back(copy.dataset);
        return out;
    }
    auto status = client->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{});
    if (!status) return out;
    for (const auto& pair : status->pairs) {
        out.datasets.push_back(pair.dataset);
        out.hosts.push_back(pair.peer);
    }
    return out;
}

/// The one that the command line so far names.
std::string socket_of(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--socket" && i + 1 < words.size()) return words[i + 1];
        if (words[i].starts_with("--socket=")) return words[i].substr(words[i].find('=') + 1);
    }
    return default_socket();
}

}  // namespace

int command_complete(std::vector<std::string> words) {
    if (!words.empty() && words.front() == "--") words.erase(words.begin());
    const std::string socket = socket_of(words);
    const auto found =
        candidates(words, [&socket](Wanted wanted) { return ask_daemon(socket, wanted); });
    for (const auto& one : found) std::puts(one.c_str());
    return kDone;
}

}  // namespace zrepd::ctl
