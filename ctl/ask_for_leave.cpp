// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl authorize HOST --ask`: two terminals and a paste instead of a login as root
// (docs/adr/0024-the-user-zrep-by-itself.md).
#include <unistd.h>

#include <cstdio>

#include "common/text.hpp"
#include "ctl/command.hpp"
#include "ctl/key_file.hpp"
#include "ctl/own_key.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

std::string text_of(const Invocation& invocation, const char* option) {
    return invocation.has(option) ? invocation.options[option].as<std::string>() : "";
}

struct Asked {
    HostName host;
    std::string under;  ///< "" when it is not named
};

Result<Asked> read_asked(const Invocation& invocation) {
    const auto bad = [](std::string why) {
        return Error{.code = Code::invalid_params, .message = std::move(why)};
    };
    if (!invocation.has("ask")) return bad("--ssh-config goes with --ask");
    if (invocation.has("key") || invocation.has("revoke"))
        return bad("--ask is on the host that connects; --key and --revoke are on the other");
    if (!invocation.options["user"].defaulted())
        return bad("--ask is for the user zrep, without --user");
    const auto host = read_other_host(invocation.words[0]);
    if (!host) return host.error();
    Asked out{.host = *host, .under = text_of(invocation, "under")};
    if (out.under.empty()) return out;
    const auto dataset = DatasetName::parse(out.under);
    if (!dataset) return dataset.error();
    return out;
}

/// The key that zrepd logs in with, which is root's.
Result<OwnKey> find_key(const Invocation& invocation, const HostName& host, const std::string& us) {
    if (::geteuid() != 0)
        return Error{.code = Code::access_denied,
                     .message = "zrepd logs in with root's key, which only root may read",
                     .remedy = "run this as root"};
    const auto root = find_account("root");
    if (!root) return root.error();
    return own_key({.peer = host,
                    .ssh_config = text_of(invocation, "ssh-config"),
                    .home = root->home,
                    .comment = "root@" + us,
                    .dry_run = invocation.has("dry-run")});
}

/// As one word of a shell's, whatever is in it.
std::string shell_word(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string command_there(const Asked& asked, const std::string& us, const OwnKey& key) {
    std::string out = "zrepctl authorize " + us;
    const bool plain = asked.under.find(' ') == std::string::npos;
    if (!asked.under.empty()) out += " --under " + (plain ? asked.under : shell_word(asked.under));
    return out + " --key " + shell_word(key_text(key.key));
}

std::string command_here(const Invocation& invocation, const Asked& asked) {
    const std::string config = text_of(invocation, "ssh-config");
    return "ssh " + (config.empty() ? "" : "-F " + shell_word(config) + " ") + "zrep@" +
           asked.host.str() + " true </dev/null";
}

/// In a dry run that would make the key there is nothing to run yet.
void tell(const Invocation& invocation, const Asked& asked, const OwnKey& key, Json answer) {
    if (invocation.json) return print_json(answer);
    const std::string host = asked.host.str();
    const bool dry_run = invocation.has("dry-run");
    if (key.made)
        std::printf("%s a key: %s\n", dry_run ? "would make" : "made", printable(key.path).c_str());
    if (answer.contains("run_there")) {
        const std::string there = answer["run_there"], here = answer["run_here"];
        std::printf("on %s, as root: %s\n", host.c_str(), printable(there).c_str());
        std::printf(
            "then here, as root: %s    # compare the fingerprint; it ends with a line "
            "of JSON\n",
            printable(here).c_str());
    } else {
        std::printf("would print what to run on %s\n", host.c_str());
    }
}

}  // namespace

Result<HostName> read_other_host(const std::string& word) {
    auto host = HostName::parse(word);
    if (host && host->short_name() == "localhost")
        return Error{.code = Code::invalid_params,
                     .message = "localhost is this host, which needs no leave"};
    return host;
}

Result<void> check_other_host(const HostName& host, const Client& client) {
    const auto us = HostName::parse(client.hello().host);
    if (!us || us->short_name() != host.short_name()) return ok();
    return Error{.code = Code::invalid_params,
                 .message = host.short_name() + " is this host",
                 .remedy = "name the other host"};
}

int ask_for_leave(const Invocation& invocation) {
    const auto asked = read_asked(invocation);
    if (!asked) return usage_error(invocation, asked.error());
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    const auto other = check_other_host(asked->host, *client);
    if (!other) return complain(invocation, other.error());
    const std::string us = client->hello().host;
    const auto key = find_key(invocation, asked->host, us);
    if (!key) return complain(invocation, key.error());
    Json answer{{"key_file", key->path}, {"made", key->made}};
    if (!key->key.type.empty()) {
        answer["run_there"] = command_there(*asked, us, *key);
        answer["run_here"] = command_here(invocation, *asked);
    }
    tell(invocation, *asked, *key, std::move(answer));
    return kDone;
}

}  // namespace zrepd::ctl
