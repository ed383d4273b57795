// SPDX-License-Identifier: BSD-2-Clause
// Goes through all states of a model of two sides that must never be writable at the same time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/fakes/lease_model.hpp"

namespace zrepd::test {

template <class State>
class WritersSearch {
  public:
    /// From State{}; `steps` adds what may come next. Ends at the first violation.
    template <class Steps>
    LeaseSearch go(Steps&& steps) {
        add({}, {}, "", /*both_writable=*/false);
        while (!open_.empty() && out_.violation.empty()) {
            const State state = open_.back();
            open_.pop_back();
            steps(state);
        }
        out_.states = known_.size();
        return out_;
    }
    void add(const State& state, const State& before, const char* what, bool both_writable) {
        if (!known_.emplace(state, From{before, what}).second) return;
        open_.push_back(state);
        if (!both_writable) return;
        out_.violation = "both sides are writable";
        for (State at = state; !known_.at(at).what.empty(); at = known_.at(at).before) {
            out_.way.insert(out_.way.begin(), known_.at(at).what);
        }
    }

  private:
    struct From {
        State before;
        std::string what;
    };
    std::map<State, From> known_;
    std::vector<State> open_;
    LeaseSearch out_;
};

}  // namespace zrepd::test
