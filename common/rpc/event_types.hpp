// SPDX-License-Identifier: BSD-2-Clause
// What events.recent asks and answers.
#pragma once

#include "common/rpc/control_types.hpp"

namespace zrepd::rpc {

struct EventsIn {
    std::uint64_t limit = 100;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("limit", self.limit, "the newest so many");
    }
};

struct EventsOut {
    U64 seq;
    std::vector<EventOut> events;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("seq", self.seq, "of the last event before this answer");
        v("events",
          self.events,
          "oldest first, without progress; of a run with more than 20 results, so many that failed");
    }
};

}  // namespace zrepd::rpc
