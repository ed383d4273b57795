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

void print_asked(const Invocation& invocation,
                 const HostName& host,
                 const OwnKey& key,
                 const std::string& there,
                 const std::string& here) {
    if (invocation.json) {
        print_json(
            {{"key_file", key.path}, {"made", key.made}, {"run_there", there}, {"run_here", here}});
        return;
    }
    const char* makes = invocation.has("dry-run") ? "would make" : "made";
    if (key.made) std::printf("%s a key: %s\n", makes, printable(key.path).c_str());
    std::printf("on %s run: %s\n", host.str().c_str(), printable(there).c_str());
    std::printf("then here: %s    # compare the fingerprint\n", printable(here).c_str());
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
    const std::string text = key->key.type.empty() ? "KEY" : key_text(key->key);
    std::string under = asked->under;
    if (under.find(' ') != std::string::npos) under = quote(under);
    if (!under.empty()) under = " --under " + under;
    const std::string config = text_of(invocation, "ssh-config");
    print_asked(invocation,
                asked->host,
                *key,
                "zrepctl authorize " + us + under + " --key '" + text + "'",
                "ssh " + (config.empty() ? "" : "-F " + quote(config) + " ") + "zrep@" +
                    asked->host.str() + " true </dev/null");
    return kDone;
}

}  // namespace zrepd::ctl
