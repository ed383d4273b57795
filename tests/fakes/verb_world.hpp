// SPDX-License-Identifier: BSD-2-Clause
// A pair in a state that is bad, and each verb of zrepctl asked of it: two whole daemons in one
// process (two_hosts.hpp), with the methods that the control socket serves. What comes back is what
// zrepctl prints and exits with.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fakes/roles_test.hpp"
#include "tests/fakes/served_host.hpp"

namespace zrepd::test {

/// What zrepctl would have to say.
struct Outcome {
    int exit_status = 0;
    std::string kind;    ///< of the error; empty: none
    std::string said;    ///< as printed, with its `next:` line
    bool waits = false;  ///< it goes on by itself as soon as what is under way has ended
};

/// tank/fs on alpha is the master, backup/fs on beta its target, with a rescue beside tank/fs. What
/// an init is to make a pair of: tank/new; tank/copied and what is below it, of which backup/copied
/// is a copy; tank/tree with something below it. A gtest fixture's contents without being a test of
/// its own.
class VerbWorld : public RolesTest {
  public:
    VerbWorld();
    ~VerbWorld() override;
    void TestBody() override {}

    /// All that a refusal must leave as it is, on both hosts.
    std::string facts();
    /// The part of it that also a sync leaves as it is, which comes before the checks of a
    /// failover.
    std::string roles();

    Outcome follow(TestHost& host, Result<rpc::RunStarted> started);
    static Outcome of_call(Result<rpc::Done> done);
    static Outcome of_error(const Error& error, const std::string& dataset = "");

    // For states, which are outside of this class.
    using RolesTest::discover;
    using RolesTest::give;
    using RolesTest::split;
    asio::io_context& context() { return io; }
    TestHost& a() { return *alpha; }
    TestHost& b() { return *beta; }
    DaemonService& service(TestHost& host) {
        return (&host == &*alpha ? served_a : served_b).service;
    }
    /// A run that something else has begun, holding the lock; ended by release().
    void occupy(TestHost& host, const DatasetName& dataset, const std::string& operation);
    void release();
    void cut_link();
    /// tank/fs and its copy are forgotten, and made a pair anew with tank/fs/a below.
    void make_tree();
    /// In that tree, a pair of its own.
    void make_pair_inside();
    /// Both daemons, each as far as its zfs answers.
    void look_again();

    std::string master_name = "tank/fs";    ///< what verbs of masters are asked for
    std::string target_name = "backup/fs";  ///< and those of targets
    std::string rescue_name = "tank/fs_diverged_9";
    bool swapped = false;      ///< asked on the other side
    bool new_for_init = true;  ///< each init has filesystems of its own to work on
    bool dry = false;          ///< asked with --dry-run
    bool occupied = false;

  private:
    struct Held {
        TestHost* host = nullptr;
        DatasetName dataset;
        sync::RunPtr run;
        lock::LockTable::Guard guard;
    };
    ServedHost served_a;
    ServedHost served_b;
    std::vector<Held> held_;
};

/// Where a verb of masters is asked: there, or on the wrong side; likewise of targets.
inline TestHost& on_master(VerbWorld& w) {
    return w.swapped ? w.b() : w.a();
}
inline TestHost& on_target(VerbWorld& w) {
    return w.swapped ? w.a() : w.b();
}
inline std::string master_of(const VerbWorld& w) {
    return w.swapped ? w.target_name : w.master_name;
}
inline std::string target_of(const VerbWorld& w) {
    return w.swapped ? w.master_name : w.target_name;
}

struct Verb {
    std::string name;
    std::function<Outcome(VerbWorld&)> ask;
    bool reads = false;  ///< it changes nothing, and has no --dry-run
};

struct BadState {
    std::string name;
    std::function<void(VerbWorld&)> make;
    /// The name of its test, for ctest.
    friend void PrintTo(const BadState& state, std::ostream* out) { *out << state.name; }
};

/// Every command of zrepctl but those of kSameEverywhere, with the variants of them that decide
/// differently: "init-r" is one of init, "sync@" of sync.
const std::vector<Verb>& verbs();
/// Those of them that take `all`, and say of the one pair what they say of it by its name.
const std::vector<Verb>& verbs_of_all();
/// The command that a verb is, or is a variant of.
std::string command_of(const Verb& verb);
/// Commands that no pair's state changes.
extern const std::vector<std::string> kSameEverywhere;
const std::vector<BadState>& bad_states();

}  // namespace zrepd::test
