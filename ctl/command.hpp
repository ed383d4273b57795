// SPDX-License-Identifier: BSD-2-Clause
// What a command file provides, and what it may use. Exit statuses: zrepctl(8).
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/exit_meaning.hpp"
#include "ctl/client.hpp"

namespace zrepd::ctl {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;
inline constexpr int kProtocol = 4;
inline constexpr int kRefused = 5;
inline constexpr int kInterrupted = 130;

/// The parsed command line of one verb.
struct Invocation {
    std::string verb;
    boost::program_options::variables_map options;
    std::vector<std::string> words;  ///< after the verb, without options
    std::string socket;
    int usage_status = kUsage;  ///< of a mistake on the command line
    bool json = false;
    bool wait = true;
    bool has(const char* option) const { return options.count(option) != 0; }
};

struct Command {
    const char* name;
    const char* letter;     ///< the seed's short spelling, "-S"; "" when there is none
    const char* arguments;  ///< for the usage line
    const char* summary;
    const char* description;  ///< for --help: what it does, what it does not, examples
    std::size_t min_words;
    std::size_t max_words;
    void (*add_options)(boost::program_options::options_description& options);
    int (*run)(const Invocation& invocation);
    bool starts_run = false;    ///< then there is something to wait for, and --no-wait
    int usage_status = kUsage;  ///< where 2 means something else
};

extern const Command kInit, kSync, kList, kStatus, kExpire, kFailover, kTakeover, kResolve,
    kUnfence, kRescue, kDrill, kPause, kUnpause, kClear, kSet, kVersion, kCheck, kEvents, kRefresh,
    kChangeconfig, kDoctor, kAuthorize;

/// All of them, as help lists them; by name or by the seed's letter; the options that every command
/// has, alone and with its own; what a command ends with, unless its description says otherwise.
/// dispatch.cpp.
std::span<const Command* const> commands();
const Command* find_command(const std::string& word);
boost::program_options::options_description global_options(const Command& command);
boost::program_options::options_description all_options(const Command& command);
std::span<const ExitMeaning> exit_statuses();
/// Of $ZREPD_SOCKET, or where zrepd has it.
std::string default_socket();

/// Datasets named on the command line, each checked; the daemon judges again. With `all_allowed`,
/// the single word "all" sets `all` instead.
struct Selection {
    std::vector<std::string> datasets;
    bool all = false;
};
Result<Selection> select(const std::vector<std::string>& words, bool all_allowed);

/// Reports an error as the invocation wants it (text on stderr, or one JSON document on stdout) and
/// returns its exit status.
int complain(const Invocation& invocation, const Error& error);
/// Standard output cannot be written, for the reason that errno had; returns kFailed. A reader that
/// left (`status -w | head`) wants to hear no more, of that neither.
int tell_unwritten(int number);
/// What keeps the daemon from knowing all pairs, beside an answer that lists them; with --json the
/// answer itself has it. Returns kFailed when there is something, since a script that takes the
/// answer for complete would miss pairs.
int tell_problem(const Invocation& invocation, const std::optional<rpc::Trouble>& problem);
/// A mistake on the command line: one line, and where help is. Returns kUsage.
int usage_error(const Invocation& invocation, const Error& error);
int usage_error(const Invocation& invocation, const std::string& what);

/// Calls a method that starts a run and follows it to its end, unless --no-wait or --dry-run. Of
/// runs that others had started, only the datasets of `wanted` count (none: all of them).
int start_and_follow(const Invocation& invocation,
                     const std::string& method,
                     const Json& params,
                     const std::vector<std::string>& wanted);
/// The same for a method that takes filesystems or `all`, --dry-run, and, where it knows that, -L.
template <class In>
int start_on_selection(const Invocation& invocation, const std::string& method) {
    auto chosen = select(invocation.words, /*all_allowed=*/true);
    if (!chosen) return usage_error(invocation, chosen.error());
    In in;
    in.all = chosen->all;
    in.datasets = chosen->datasets;
    in.dry_run = invocation.has("dry-run");
    if constexpr (requires { in.local_only; }) in.local_only = invocation.has("local");
    if constexpr (requires { in.master_is_off; }) {
        if (invocation.has("master-is-off")) in.master_is_off = true;
    }
    return start_and_follow(invocation, method, rpc::encode(in), chosen->datasets);
}
/// pair.failover or pair.takeover: as above, or of one FILESYSTEM@SNAPSHOT. role_change.cpp.
int start_role_change(const Invocation& invocation, const std::string& method);
/// `authorize --ask`, on the host that connects: prints what lets it in over there. And what both
/// forms ask of HOST: a name, and not this host. ask_for_leave.cpp.
int ask_for_leave(const Invocation& invocation);
Result<HostName> read_other_host(const std::string& word);
Result<void> check_other_host(const HostName& host, const Client& client);
/// Calls a method that answers with what it did.
int call_and_report(const Invocation& invocation, const std::string& method, const Json& params);

}  // namespace zrepd::ctl
