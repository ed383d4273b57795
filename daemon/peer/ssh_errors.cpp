// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/ssh_errors.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "common/text.hpp"

namespace zrepd::peer {
namespace {

constexpr int kNoStatus = -2;

// Who was to be logged in.
enum class Who { anybody, zrep, configured };

// A row fits when the text occurs in a line of stderr, or the exit status is the one given, and so
// does `who`. In the message and remedy, {host} is the peer, {login} the same with a user where one
// was given to ssh, {user} that one, {us} this host, {line} the line that was found.
struct Row {
    std::string_view text;
    int exit_status;
    Code code;
    std::string_view message;
    std::string_view remedy;
    Who who = Who::anybody;
};

constexpr std::string_view kCheckName =
    "check the name in DNS or /etc/hosts on this host: `getent hosts {host}`";
// Standard input is empty: a forced command runs `zrepctl peer` whatever is asked for, and that
// waits for requests until its input ends.
constexpr std::string_view kCheckNetwork =
    "check that {host} is up and its ssh port reachable from here: `ssh {login} true </dev/null`";

// The first row that fits wins, so the more telling texts stand first.
constexpr std::array kRows{
    Row{"Could not resolve hostname",
        kNoStatus,
        Code::unknown_host,
        "the host name {host} does not resolve",
        kCheckName},
    Row{"REMOTE HOST IDENTIFICATION HAS CHANGED",
        kNoStatus,
        Code::peer_host_key,
        "the ssh host key of {host} is not the one this host knows: it was reinstalled, or another "
        "machine answers in its place",
        "find out which; if the new key is right, run `ssh-keygen -R {host}` here as root, then "
        "`ssh {login} true </dev/null` and compare the fingerprint"},
    Row{"Host key verification failed",
        kNoStatus,
        Code::peer_host_key,
        "this host does not know the ssh host key of {host}",
        "on {us}, as root: run `ssh {login} true </dev/null` once, compare the fingerprint and accept "
        "it; if it asks for a password after that, none is needed: Ctrl-C"},
    Row{"Permission denied (",
        kNoStatus,
        Code::peer_auth,
        "{host} refused this host's ssh key: {line}",
        "on {host} run `zrepctl authorize {us} --user {user} --key FILE`, with root's public key of "
        "{us}; or take ssh-user out of zrepd.conf on {us} and start zrepd anew: then it logs in as "
        "zrep, and `zrepctl authorize {host} --ask` there prints what that takes",
        Who::configured},
    Row{"Permission denied (",
        kNoStatus,
        Code::peer_auth,
        "{host} refused this host's ssh key: {line}",
        "on {us}, as root: `zrepctl authorize {host} --ask` prints what lets {us} in on {host}, as "
        "the user zrep and for replication alone. For root's login instead: `ssh-copy-id {host}`, "
        "and with `command=\"zrepctl peer --as {us}\",restrict` before the key in "
        "~/.ssh/authorized_keys on {host} it can do nothing else there"},
    Row{"Too many authentication failures",
        kNoStatus,
        Code::peer_auth,
        "{host} refused this host's ssh keys: more were offered than it allows",
        "name the right one with IdentityFile and IdentitiesOnly=yes for {host} in ~/.ssh/config"},
    Row{"Connection refused",
        kNoStatus,
        Code::peer_unreachable,
        "nothing answers on the ssh port of {host}: {line}",
        "start sshd there, or set the right Port for {host} in ~/.ssh/config"},
    Row{"No route to host",
        kNoStatus,
        Code::peer_unreachable,
        "{host} cannot be reached: {line}",
        kCheckNetwork},
    Row{"Network is unreachable",
        kNoStatus,
        Code::peer_unreachable,
        "{host} cannot be reached: {line}",
        kCheckNetwork},
    Row{"timed out",
        kNoStatus,
        Code::peer_unreachable,
        "{host} does not answer: {line}",
        kCheckNetwork},
    Row{"not responding",
        kNoStatus,
        Code::peer_unreachable,
        "{host} stopped answering: {line}",
        kCheckNetwork},
    Row{"Unable to negotiate with",
        kNoStatus,
        Code::peer_unreachable,
        "ssh here and sshd on {host} have no cipher or key type in common: {line}",
        "upgrade the older of the two, or allow one they share in ~/.ssh/config"},
    // Statuses of what ssh ran there: the shell's, then zrepctl's own (zrepctl(8)).
    Row{"",
        0,
        Code::peer_unreachable,
        "zrepd on {host} ended the connection",
        "see whether it still runs there: `systemctl status zrepd` and `journalctl -u zrepd` on {host}"},
    Row{"",
        127,
        Code::peer_no_zrepd,
        "zrepctl is not installed on {host}, or not in the PATH there",
        "install zrepd on {host}, with zrepctl where `ssh {login} zrepctl version </dev/null` finds it"},
    Row{"",
        126,
        Code::peer_no_zrepd,
        "zrepctl cannot be run on {host}: {line}",
        "check its installation there: `ssh {login} zrepctl version </dev/null`"},
    Row{"",
        3,
        Code::peer_no_zrepd,
        "zrepd is not running on {host}",
        "start it there: `systemctl start zrepd`"},
    Row{"",
        5,
        Code::access_denied,
        "the user zrep may not use zrepd on {host}: {line}",
        "on {host}: `systemctl restart zrepd`: it gives its socket to that user at the start",
        Who::zrep},
    Row{"",
        5,
        Code::access_denied,
        "the user that ssh logs in as may not use zrepd on {host}: {line}",
        "log in as root, or add that user to the group zrepd on {host}"},
    Row{"",
        2,
        Code::peer_protocol,
        "zrepctl on {host} does not know `peer --as`: {line}",
        "upgrade zrepd on {host}"},
};

std::string fill_in(std::string_view pattern,
                    const std::string& host,
                    const std::string& us,
                    const std::string& user,
                    const std::string& line) {
    std::string out;
    while (!pattern.empty()) {
        const auto open = pattern.find('{');
        out += pattern.substr(0, open);
        if (open == std::string_view::npos) break;
        pattern.remove_prefix(open);
        const auto close = pattern.find('}');
        const auto name = pattern.substr(1, close - 1);
        if (name == "login") out += user.empty() ? host : user + "@" + host;
        if (name == "host") out += host;
        if (name == "user") out += user;
        if (name == "us") out += us;
        if (name == "line") out += line;
        pattern.remove_prefix(close + 1);
    }
    return out;
}

/// Lines that say something, in order.
std::vector<std::string_view> lines_of(std::string_view tail) {
    std::vector<std::string_view> lines;
    for (const auto part : split(tail, '\n')) {
        const auto line = trim(part);
        if (!line.empty() && line.front() != '@') lines.push_back(line);
        // The banner's one line that matters stands between signs.
        if (line.find("HAS CHANGED") != std::string_view::npos) lines.push_back(line);
    }
    return lines;
}

}  // namespace

Error translate_ssh_failure(const std::string& host,
                            const std::string& us,
                            const std::string& user,
                            std::optional<int> exit_status,
                            std::string_view stderr_tail) {
    const auto lines = lines_of(stderr_tail);
    const bool configured = !user.empty() && user != kPeerUser;
    for (const Row& row : kRows) {
        if (row.who == Who::configured && !configured) continue;
        if (row.who == Who::zrep && user != kPeerUser) continue;
        std::string_view line = lines.empty() ? std::string_view() : lines.back();
        if (row.exit_status != kNoStatus) {
            if (row.exit_status != exit_status) continue;
        } else {
            const auto found = std::find_if(lines.begin(), lines.end(), [&row](auto one) {
                return one.find(row.text) != std::string_view::npos;
            });
            if (found == lines.end()) continue;
            line = *found;
        }
        const std::string said = line.empty() ? "ssh said nothing more" : quote(line);
        return Error{.code = row.code,
                     .message = fill_in(row.message, host, us, user, said),
                     .remedy = fill_in(row.remedy, host, us, user, said)};
    }
    std::string why = "the connection to " + host + " ended";
    if (exit_status) why += " (ssh exit status " + std::to_string(*exit_status) + ")";
    if (!lines.empty()) why += ": " + quote(lines.back());
    return Error{.code = Code::peer_unreachable,
                 .message = std::move(why),
                 .remedy =
                     "it is tried again by itself; if it stays, look at `journalctl -u zrepd` "
                     "and sshd's log on " +
                     host};
}

}  // namespace zrepd::peer
