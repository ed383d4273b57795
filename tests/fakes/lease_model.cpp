// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/lease_model.hpp"
#include "tests/fakes/writers_search.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace zrepd::test {
namespace {

using namespace failover;
using namespace std::chrono_literals;

constexpr BootTime kNow = 1'000'000s;  // of either clock, at any moment: only intervals count
constexpr BootTime kLease = 20s;
constexpr BootTime kTick = 5s;  // of a clock that is right
// A set lands in the same tick or in the next one; with the tick in which it is noticed that the
// lease ran out these are up to 10 s.
constexpr int kSetTicks = 1;

struct Mail {
    enum class Kind : std::uint8_t { none, request, answer };
    Kind kind = Kind::none;
    BootTime age{};       ///< since the request was sent, by the master's clock
    bool counts = false;  ///< the master says that it is bound by a confirmation
    auto operator<=>(const Mail&) const = default;
};

/// What lies on the target's disk.
enum class Note : std::uint8_t { none, open, bound };

/// Times are ages, or what is left, by the clock of the side that they belong to.
struct Pair {
    bool writable = true;
    bool closed = false;   ///< readonly, until somebody confirms it
    bool counted = false;  ///< a confirmation arrived
    BootTime left{};       ///< of the lease
    int landing = -1;      ///< a set readonly=on is under way, and lands within so many ticks
    bool taken = false;    ///< the target is the master
    bool decided = false;  ///< to take over without it
    bool waited = false;   ///< long enough for that
    Note note = Note::none;
    Note storing = Note::none;        ///< a set of it is under way
    std::optional<BootTime> given{};  ///< age of the last confirmation
    BootTime started{};               ///< age of the target's zrepd
    std::array<Mail, 2> mail{};
    auto operator<=>(const Pair&) const = default;
};

class Search {
  public:
    Search(const LeaseRules& rules, BootTime here, BootTime there, bool fence_on_both)
        : rules_(rules), here_(here), there_(there), fence_on_both_(fence_on_both) {}

    LeaseSearch go() {
        return search_.go([this](const Pair& pair) { steps(pair); });
    }

  private:
    void add(Pair pair, const Pair& before, const char* what) {
        std::sort(pair.mail.begin(), pair.mail.end());
        const bool covered = pair.counted || fence_on_both_;
        search_.add(pair, before, what, pair.writable && pair.taken && covered);
    }

    void steps(const Pair& pair) {
        const auto branch = [&](const char* what, auto&& change) {
            Pair next = pair;
            if (change(next)) add(next, pair, what);
        };
        branch("time passes", [&](Pair& p) { return pass(p); });
        branch("the master asks", [&](Pair& p) {
            const bool counts = p.counted || !rules_.says_open;
            return post(p, {.kind = Mail::Kind::request, .counts = counts});
        });
        branch("its lease ran out: it sets readonly", [&](Pair& p) { return lapse(p); });
        branch("the set lands", [](Pair& p) {
            if (p.landing < 0) return false;
            p.writable = false;
            p.closed = true;
            p.landing = -1;
            return true;
        });
        branch("the master's zrepd starts anew", [&](Pair& p) { return restart(p); });
        branch("the master's host starts anew", [&](Pair& p) {
            p.writable = false;
            p.closed = true;
            p.counted = false;
            p.landing = -1;
            return restart(p);
        });
        branch("the target starts anew", [](Pair& p) {
            p.given.reset();
            p.started = {};
            p.decided = p.waited = false;
            p.storing = Note::none;
            p.mail = {};
            return true;
        });
        branch("the note lands", [](Pair& p) {
            if (p.storing == Note::none) return false;
            p.note = std::exchange(p.storing, Note::none);
            return true;
        });
        branch("a takeover is decided",
               [](Pair& p) { return !p.taken && !std::exchange(p.decided, true); });
        branch("it is given up", [](Pair& p) {
            p.waited = false;
            return !p.taken && std::exchange(p.decided, false);
        });
        branch("the wait is over", [&](Pair& p) { return wait(p); });
        branch("it is done", [](Pair& p) {
            p.taken = p.waited;
            return std::exchange(p.waited, false);
        });
        for (const std::size_t i : {0U, 1U}) mail(pair, i, branch);
    }

    template <class Branch>
    void mail(const Pair& pair, std::size_t i, Branch&& branch) {
        if (pair.mail[i].kind == Mail::Kind::none) return;
        branch("a message is lost", [&](Pair& p) {
            p.mail[i] = {};
            return true;
        });
        for (const bool again : {false, true}) {
            branch(again ? "a message arrives, and will come again" : "a message arrives",
                   [&](Pair& p) {
                       const Mail got = p.mail[i];
                       if (!again) p.mail[i] = {};
                       return got.kind == Mail::Kind::request ? ask(p, got) : answer(p, got);
                   });
        }
    }

    static bool post(Pair& p, Mail mail) {
        for (Mail& place : p.mail) {
            if (place.kind != Mail::Kind::none) continue;
            place = mail;
            return true;
        }
        return false;
    }

    /// Not beyond what has to happen first.
    bool pass(Pair& p) const {
        if (p.landing == 0 || must_lapse(p)) return false;
        if (p.landing > 0) --p.landing;
        p.left = std::max(BootTime(0), p.left - here_);
        const BootTime most = wait_of(kLease);
        p.started = std::min(most, p.started + there_);
        if (p.given) p.given = std::min(most, *p.given + there_);
        for (Mail& mail : p.mail) {
            if (mail.kind == Mail::Kind::none) continue;
            mail.age += here_;
            if (mail.age > kLease) mail = {};  // confirms nothing any more
        }
        return true;
    }

    static Lease lease_of(const Pair& p) {
        Lease out{.epoch = 1};
        if (p.counted) out.until = kNow + p.left;
        return out;
    }
    static void keep(Pair& p, const Lease& lease) {
        p.counted = lease.until.has_value();
        p.left = std::max(BootTime(0), lease.until.value_or(kNow) - kNow);
    }
    static bool must_lapse(const Pair& p) {
        return p.writable && p.landing < 0 && has_run_out(lease_of(p), kNow);
    }
    static bool lapse(Pair& p) {
        if (!must_lapse(p)) return false;
        p.landing = kSetTicks;
        return true;
    }

    /// What it was waiting for is gone with its connections.
    bool restart(Pair& p) const {
        const Lease kept = lease_of(p);
        std::optional<Lease> file;
        // After a boot the file is gone.
        if (!p.closed || p.counted) file = kept;
        const Lease prolonged{.epoch = 1, .until = kNow + kLease};
        const bool prolong = !rules_.restart_prolongs_nothing && p.counted;
        keep(p, prolong ? prolonged : after_start(file, 1, kNow, kLease));
        p.mail = {};
        return true;
    }

    bool ask(Pair& p, const Mail& request) const {
        const TargetState here{.target = !p.taken,
                               .epoch = 1,
                               .becoming_master = p.decided && rules_.stops_confirming};
        if (!may_confirm(here, 1)) return true;
        const Note wanted = request.counts ? Note::bound : Note::open;
        const Note before = p.note;
        if (before != wanted && rules_.notes_before_answer) {
            p.storing = wanted;
            // The master asks again, and then it lies on disk. An open one promises nobody
            // anything.
            if (before != Note::open) return true;
        }
        p.given = BootTime(0);
        return post(p, {.kind = Mail::Kind::answer, .age = request.age});
    }

    bool answer(Pair& p, const Mail& answer) const {
        Lease lease = lease_of(p);
        const BootTime age = rules_.counts_from_sending ? answer.age : BootTime(0);
        confirm(lease, kNow - age, kLease);
        keep(p, lease);
        if (p.closed && p.landing < 0 && !has_run_out(lease, kNow)) {
            p.closed = false;
            p.writable = true;
        }
        return true;
    }

    bool wait(Pair& p) const {
        if (!p.decided || p.taken || p.waited) return false;
        const bool unbound = p.note == Note::open || (p.note == Note::none && fence_on_both_);
        if (unbound && rules_.heeds_open_note) return false;
        const bool counted_on = p.note != Note::none || p.given;
        const BootTime started = rules_.waits_after_start ? kNow - p.started : BootTime(0);
        std::optional<BootTime> given;
        if (p.given) given = kNow - *p.given;
        if (counted_on && kNow < free_at(started, given, rules_.wait(kLease))) return false;
        p.waited = true;
        return true;
    }

    LeaseRules rules_;
    BootTime here_;   ///< what the master's clock goes on in a tick
    BootTime there_;  ///< the target's
    bool fence_on_both_;
    WritersSearch<Pair> search_;
};

}  // namespace

LeaseSearch explore_leases(const LeaseRules& rules) {
    LeaseSearch out;
    constexpr std::array kSpeeds{kTick * 9 / 10, kTick, kTick * 11 / 10};
    for (const BootTime here : kSpeeds) {
        for (const BootTime there : kSpeeds) {
            for (const bool fence_on_both : {false, true}) {
                LeaseSearch one = Search(rules, here, there, fence_on_both).go();
                one.states += out.states;
                out = std::move(one);
                if (!out.violation.empty()) return out;
            }
        }
    }
    return out;
}

}  // namespace zrepd::test
