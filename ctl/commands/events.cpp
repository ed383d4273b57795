// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/events.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/rpc/event_types.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

// A screen full of what led to now, before what comes.
constexpr unsigned kBeforeFollowing = 10;
constexpr unsigned kNewest = 100;
constexpr unsigned kMost = 1000;
// How often we look whether the daemon is alive while nothing happens.
constexpr std::chrono::seconds kQuiet{30};

void events_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("follow,f", "go on with what happens from now on, until Ctrl-C")
        ("lines,n", boost::program_options::value<unsigned>()->value_name("NUMBER"),
         "the newest so many, of the 1000 that zrepd keeps [100, with -f 10]");
    // clang-format on
}

/// False, with errno, when it cannot be written.
bool print(const Invocation& invocation, const rpc::EventOut& event) {
    if (!concerns(event, invocation.words)) return true;
    if (invocation.json)
        std::printf("%s\n", dump_json(rpc::encode(event)).c_str());
    else if (!event.progress)
        std::printf("%s\n", event_line(event).c_str());
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

unsigned lines_of(const Invocation& invocation) {
    if (invocation.has("lines")) return invocation.options["lines"].as<unsigned>();
    return invocation.has("follow") ? kBeforeFollowing : kNewest;
}

int end_of(const Invocation& invocation, const Error& error) {
    if (error.code == Code::cancelled) return kDone;
    if (error.code == Code::io_error) return tell_unwritten(error.sys_errno.value_or(EIO));
    return complain(invocation, error);
}

/// Until the daemon or the user ends it, or nobody reads it, of which a quiet system would never
/// tell; what was printed already comes again as a notification.
int follow(const Invocation& invocation, Client& client, std::uint64_t printed) {
    while (true) {
        auto event = client.next_event(kQuiet, STDOUT_FILENO);
        if (event) {
            const bool again = event->seq.value <= printed;
            if (!again && !print(invocation, *event)) return tell_unwritten(errno);
        } else if (event.error().code == Code::timed_out) {
            auto alive = client.call("daemon.version", Json::object());
            if (!alive) return complain(invocation, alive.error());
        } else {
            return end_of(invocation, event.error());
        }
    }
}

int run_events(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    if (lines_of(invocation) > kMost)
        return usage_error(invocation, "--lines is at most " + std::to_string(kMost));
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    const bool follows = invocation.has("follow");
    if (follows) {
        // First, so that nothing is lost between the two.
        catch_interrupt();
        auto subscribed = client->call("events.subscribe", Json::object());
        if (!subscribed) return complain(invocation, subscribed.error());
    }
    auto recent =
        client->call_as<rpc::EventsOut>("events.recent", rpc::EventsIn{lines_of(invocation)});
    if (!recent) return complain(invocation, recent.error());
    for (const auto& event : recent->events)
        if (!print(invocation, event)) return tell_unwritten(errno);
    if (!follows) return kDone;
    return follow(invocation, *client, recent->seq.value);
}

}  // namespace

const Command kEvents{
    "events",
    "",
    "[-f] [-n NUMBER] [FILESYSTEM...]",
    "Show what happened, and with -f what happens",
    "One line each, the oldest first: runs that began and ended, roles that changed, peers that came\n"
    "and went, warnings. zrepd keeps the last 1000 since its start; its log keeps the rest. With\n"
    "names only what concerns these and what lies below them. --json prints one document a line, with\n"
    "-f progress too. What each kind means: docs/events.md.\n\n"
    "Example:\n  zrepctl events -n 20 tank/fs\n  zrepctl events -f --json\n",
    0,
    10000,
    events_options,
    run_events};

}  // namespace zrepd::ctl
