// SPDX-License-Identifier: BSD-2-Clause
// Replies of mutations by request_key, so that a client may repeat a call whose answer it lost.
// Thread: io thread. Limits: kMaxReplies, kReplyAge.
#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "common/json.hpp"

namespace zrepd::control {

class ReplyCache {
  public:
    std::optional<Json> find(const std::string& key);
    void store(std::string key, Json reply);

  private:
    struct Entry {
        std::string key;
        Json reply;
        std::chrono::steady_clock::time_point at;
    };
    void drop_old();
    std::deque<Entry> entries_;
};

}  // namespace zrepd::control
