// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/replies.hpp"

namespace zrepd::control {
namespace {

// A client repeats within seconds; an administrator's script perhaps within minutes.
constexpr std::chrono::minutes kReplyAge{10};
constexpr std::size_t kMaxReplies = 1000;

}  // namespace

void ReplyCache::drop_old() {
    const auto now = std::chrono::steady_clock::now();
    while (!entries_.empty() &&
           (now - entries_.front().at > kReplyAge || entries_.size() > kMaxReplies)) {
        entries_.pop_front();
    }
}

std::optional<Json> ReplyCache::find(const std::string& key) {
    drop_old();
    for (const Entry& entry : entries_) {
        if (entry.key == key) return entry.reply;
    }
    return std::nullopt;
}

void ReplyCache::store(std::string key, Json reply) {
    entries_.push_back({std::move(key), std::move(reply), std::chrono::steady_clock::now()});
    drop_old();
}

}  // namespace zrepd::control
