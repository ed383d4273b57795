// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/witness_model.hpp"

#include <algorithm>
#include <array>

#include "daemon/failover/witness.hpp"
#include "tests/fakes/writers_search.hpp"

namespace zrepd::test {
namespace {

using namespace failover;
using namespace std::chrono_literals;

constexpr BootTime kNow = 1'000'000s;
constexpr BootTime kLease = 20s;
constexpr BootTime kTick = 5s;
constexpr int kSetTicks = 1;
constexpr std::uint64_t kEpoch = 3;
// Of the numbers in a record only whether two are equal counts.
constexpr std::uint64_t kNumbers = 3;

struct Pair {
    bool writable = true;
    BootTime left = kLease;  ///< of the lease, by the master's clock
    int landing = -1;
    // What the master is at: a renewal, of which the first half may be done.
    bool renewing = false;
    BootTime age{};  ///< of that
    bool half = false;
    std::optional<bool> saw_claim{};  ///< looked already
    std::uint64_t count = 0;          ///< in its record

    bool claims = false;  ///< the target's record: it holds the next epoch
    std::optional<std::uint64_t> seen{};
    BootTime since{};  ///< by the target's clock
    bool claiming = false;
    bool taken = false;
    auto operator<=>(const Pair&) const = default;
};

class Search {
  public:
    Search(const WitnessRules& rules, BootTime here, BootTime there)
        : rules_(rules), here_(here), there_(there) {}

    LeaseSearch go() {
        return search_.go([this](const Pair& pair) { steps(pair); });
    }

  private:
    void add(const Pair& pair, const Pair& before, const char* what) {
        search_.add(pair, before, what, pair.writable && pair.taken);
    }

    void steps(const Pair& pair) {
        const auto branch = [&](const char* what, auto&& change) {
            Pair next = pair;
            if (change(next)) add(next, pair, what);
        };
        branch("time passes", [&](Pair& p) { return pass(p); });
        branch("the master begins to renew", [](Pair& p) {
            p.age = BootTime(0);
            return !std::exchange(p.renewing, true);
        });
        branch("it writes", [&](Pair& p) { return write(p); });
        branch("it looks", [&](Pair& p) { return look(p); });
        branch("it gives up", [](Pair& p) {
            if (!p.renewing) return false;
            end(p);
            return true;
        });
        branch("its lease ran out: it sets readonly", [](Pair& p) {
            if (!must_lapse(p)) return false;
            p.landing = kSetTicks;
            return true;
        });
        branch("the set lands", [](Pair& p) {
            if (p.landing < 0) return false;
            p.landing = -1;
            p.writable = false;
            return true;
        });
        branch("the target looks", [](Pair& p) { return !p.taken && !p.claiming && watch(p); });
        branch("it writes that it holds it", [&](Pair& p) { return claim(p); });
        branch("it looks again", [&](Pair& p) { return take(p); });
        branch("it gives up, and writes that", [](Pair& p) {
            if (p.taken) return false;
            p.claiming = false;
            return std::exchange(p.claims, false);
        });
    }

    static Watch watch_of(const Pair& p) {
        Watch out;
        if (!p.seen) return out;
        out.last = record(*p.seen);
        out.since = kNow - p.since;
        return out;
    }
    static Record record(std::uint64_t count) {
        return {.side = "master", .epoch = kEpoch, .holds = true, .count = count};
    }
    static bool watch(Pair& p) {
        Watch seen = watch_of(p);
        observe(seen, record(p.count), kNow);
        p.seen = seen.last->count;
        p.since = kNow - seen.since;
        return true;
    }

    static bool must_lapse(const Pair& p) {
        const Lease lease{.epoch = kEpoch, .until = kNow + p.left};
        return p.writable && p.landing < 0 && has_run_out(lease, kNow);
    }
    static void end(Pair& p) {
        p.renewing = p.half = false;
        p.saw_claim.reset();
        p.age = BootTime(0);
    }

    bool pass(Pair& p) const {
        if (p.landing == 0 || must_lapse(p)) return false;
        if (p.landing > 0) --p.landing;
        p.left = std::max(BootTime(0), p.left - here_);
        if (p.seen) p.since = std::min(wait_of(kLease), p.since + there_);
        if (p.renewing) p.age += here_;
        if (p.age > kLease) end(p);
        return true;
    }

    bool write(Pair& p) const {
        const bool due = rules_.writes_first ? !p.half : p.half;
        if (!p.renewing || !due) return false;
        // Another number than the last one, and than that which was seen last.
        do p.count = (p.count + 1) % kNumbers;
        while (p.seen == p.count);
        if (!rules_.writes_first) return confirmed(p);
        p.half = true;
        return true;
    }
    bool look(Pair& p) const {
        const bool due = rules_.writes_first ? p.half : !p.half;
        if (!p.renewing || !due) return false;
        p.saw_claim = p.claims;
        if (rules_.writes_first) return confirmed(p);
        p.half = true;
        return true;
    }
    static bool confirmed(Pair& p) {
        const Record theirs{.side = "target", .epoch = kEpoch + 1, .holds = *p.saw_claim};
        Lease lease{.epoch = kEpoch, .until = kNow + p.left};
        if (holding(kEpoch, theirs) == Holding::overtaken) {
            p.left = BootTime(0);
        } else {
            confirm(lease, kNow - p.age, kLease);
            p.left = std::max(BootTime(0), *lease.until - kNow);
        }
        // The peer's silence keeps it closed, or the witness opens it.
        const bool opens =
            !p.writable && p.landing < 0 && !has_run_out(lease, kNow) && p.left > 0ms;
        p.writable = p.writable || opens;
        end(p);
        return true;
    }

    bool claim(Pair& p) const {
        if (p.taken || p.claiming || !is_free(watch_of(p), kNow, rules_.wait(kLease))) return false;
        p.claims = true;
        p.claiming = true;
        return true;
    }
    bool take(Pair& p) const {
        if (!std::exchange(p.claiming, false)) return false;
        p.taken = !rules_.looks_again || p.seen == p.count;
        p.claims = p.taken;
        return true;
    }

    WitnessRules rules_;
    BootTime here_;
    BootTime there_;
    WritersSearch<Pair> search_;
};

}  // namespace

LeaseSearch explore_witness(const WitnessRules& rules) {
    LeaseSearch out;
    constexpr std::array kSpeeds{kTick * 9 / 10, kTick, kTick * 11 / 10};
    for (const BootTime here : kSpeeds) {
        for (const BootTime there : kSpeeds) {
            LeaseSearch one = Search(rules, here, there).go();
            one.states += out.states;
            out = std::move(one);
            if (!out.violation.empty()) return out;
        }
    }
    return out;
}

}  // namespace zrepd::test
