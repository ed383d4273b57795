// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/expiry_there.hpp"

#include <algorithm>

#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

/// The run goes on there all the same: an older zrepd only does not say beforehand what it will do.
rpc::RunResult not_known(const rpc::LookIn::Pair& pair, const HostName& peer) {
    rpc::RunResult out;
    out.dataset = pair.source;
    out.outcome = "unchanged";
    out.text = "what would be destroyed of " + pair.target + " on " + peer.str() +
               " is not known: its zrepd is older and does not say";
    return out;
}

/// It refuses what it does not know: dry_run, or what a pair would be after.
bool is_older(const Error& error) {
    return error.code == Code::invalid_params &&
           error.message.find("unknown key") != std::string::npos;
}

void add_answer(const rpc::LookIn& in,
                const HostName& peer,
                const Result<rpc::PeerExpireOut>& answer,
                DryRun& out) {
    const bool older = !answer && is_older(answer.error());
    for (std::size_t i = 0; i < in.pairs.size(); ++i) {
        const auto name = DatasetName::parse(in.pairs[i].source);
        if (older) {
            out.results.push_back(not_known(in.pairs[i], peer));
        } else if (!answer || i >= answer->items.size()) {
            const Error none{.code = Code::peer_protocol, .message = "no answer"};
            out.results.push_back(failed_result(*name, answer ? none : answer.error()));
        } else if (const auto& item = answer->items[i]; item.error) {
            Error error = failed_there(peer, rpc::from_item_error(*item.error)).in(peer.str());
            out.results.push_back(failed_result(*name, error));
        } else {
            for (const auto& gone : item.destroyed)
                out.steps.push_back("destroy " + item.target + "@" + gone + " on " + peer.str());
        }
    }
}

}  // namespace

Task<> describe_expiry_there(
    peer::Peers& peers, HostName peer, rpc::LookIn all, std::chrono::seconds limit, DryRun* out) {
    for (std::size_t from = 0; from < all.pairs.size(); from += kMaxPerRequest) {
        const auto begin = all.pairs.begin() + static_cast<std::ptrdiff_t>(from);
        const std::size_t size = std::min(all.pairs.size() - from, kMaxPerRequest);
        rpc::LookIn in;
        in.pairs.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
        in.dry_run = true;
        auto said = co_await peers.call_as<rpc::PeerExpireOut>(peer, "peer.expire", in, limit);
        add_answer(in, peer, said, *out);
    }
}

}  // namespace zrepd::sync
