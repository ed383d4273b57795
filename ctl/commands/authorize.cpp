// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl authorize`: the key of another host, and where that may create filesystems. zrepctl
// itself writes the key's line, as root; zrep:accept is the daemon's (docs/adr/0018-authorize.md).
#include <sys/stat.h>

#include <cstdio>
#include <optional>

#include "common/text.hpp"
#include "ctl/authorized_keys.hpp"
#include "ctl/command.hpp"
#include "ctl/key_file.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

constexpr const char* kUser = "zrep";

void authorize_options(po::options_description& options) {
    // clang-format off
    options.add_options()
        ("under", po::value<std::string>()->value_name("DATASET"),
         "it may create filesystems below this one")
        ("key", po::value<std::string>()->value_name("FILE"),
         "its public key: a file, - for standard input, or the key itself")
        ("ask", "the other way: say what lets this host in there")
        ("ssh-config", po::value<std::string>()->value_name("FILE"),
         "with --ask: as zrepd's setting of that name")
        ("user", po::value<std::string>()->value_name("NAME")->default_value(kUser),
         "as whom it logs in here")
        ("revoke", "take back its keys, and with --under the leave to create")
        ("dry-run", "say what would be done, do nothing");
    // clang-format on
}

/// What was asked for, each part checked.
struct Wish {
    HostName host;
    std::optional<DatasetName> under = {};
    std::optional<PublicKey> key = {};
    std::string user;
    bool revoke = false;
    bool dry_run = false;
};

std::optional<std::string> option(const Invocation& invocation, const char* name) {
    if (!invocation.has(name)) return std::nullopt;
    return invocation.options[name].as<std::string>();
}

Result<Wish> read_wish(const Invocation& invocation) {
    const auto host = read_other_host(invocation.words[0]);
    if (!host) return host.error();
    Wish out{.host = *host, .user = *option(invocation, "user")};
    out.revoke = invocation.has("revoke");
    out.dry_run = invocation.has("dry-run");
    if (const auto under = option(invocation, "under")) {
        const auto dataset = DatasetName::parse(*under);
        if (!dataset) return dataset.error();
        out.under = *dataset;
    }
    if (const auto path = option(invocation, "key")) {
        const bool is_key = is_public_key(*path);
        const auto text = is_key ? Result<std::string>(*path) : read_public_key_file(*path);
        if (!text) return text.error();
        auto key = parse_public_key(*text);
        if (!key) return key.error().in(is_key ? "--key" : *path);
        out.key = std::move(*key);
    }
    if (!out.under && !out.key && !out.revoke)
        return Error{.code = Code::invalid_params, .message = "give --key, --under or both"};
    return out;
}

/// The line of its key, written or removed, or what is left of that to do.
struct KeyChange {
    std::optional<KeyFile> file;
    KeyEdit edit;
};

Result<KeyChange> plan_keys(const Wish& wish) {
    KeyChange out;
    if (!wish.key && !wish.revoke) return out;
    const auto account = find_account(wish.user);
    if (!account) return account.error();
    if (!wish.revoke) {
        auto login = check_login(*account);
        if (!login) return login.error();
    }
    auto file = KeyFile::open(*account);
    if (!file) return file.error();
    const PublicKey* key = wish.key ? &*wish.key : nullptr;
    if (wish.revoke) {
        out.edit = without_keys(file->text(), wish.host, key);
    } else {
        auto edit = with_key(file->text(), wish.host, *key);
        if (!edit) return edit.error().in(file->path());
        out.edit = std::move(*edit);
    }
    out.file.emplace(std::move(*file));
    return out;
}

Result<void> write_keys(const Wish& wish, KeyChange& keys) {
    if (wish.dry_run || !keys.file || !keys.edit.changes) return ok();
    return keys.file->replace(keys.edit.text);
}

void tell_keys(const Wish& wish, const KeyChange& keys, rpc::Done& out) {
    if (!keys.file) return;
    const std::string path = quote(keys.file->path());
    const std::string host = wish.host.short_name();
    if (wish.revoke && keys.edit.changes) {
        out.steps.push_back("remove from " + path + ": " + std::to_string(keys.edit.removed) +
                            (keys.edit.removed == 1 ? " key of " : " keys of ") + host);
        out.notes.push_back("a connection of " + host +
                            " that is open stays until it ends; pkill -KILL -u " + wish.user +
                            " ends those of all hosts, which come back if they may");
    } else if (wish.revoke) {
        out.notes.push_back(path + " has no such key of " + host);
    } else if (keys.edit.changes) {
        out.steps.push_back("write to " + path + ": " + key_line(wish.host, *wish.key));
    } else {
        out.notes.push_back(path + " has this key for " + host + " already");
    }
    if (keys.edit.others > 0)
        out.notes.push_back(path + " has other keys of " + host + ": " +
                            std::to_string(keys.edit.others));
}

/// A user who may not use the socket logs in for nothing.
void tell_socket(const Invocation& invocation, const Wish& wish, rpc::Done& out) {
    if (!wish.key || wish.revoke) return;
    const std::string path =
        invocation.socket.substr(0, invocation.socket.rfind('/') + 1) + "peer.sock";
    struct stat socket {};
    const auto account = find_account(wish.user);
    if (!account || ::stat(path.c_str(), &socket) != 0 || may_connect(*account, socket)) return;
    const std::string why =
        wish.user == kUser ? "start zrepd anew: it gives the socket to that user"
                           : "use the user zrep (without --user): the group zrepd, which may use "
                             "it, may operate pairs as well";
    out.notes.push_back(wish.user + " may not use " + path + ": " + why);
}

/// Of what it sends there is no other bound.
void tell_quota(const Wish& wish, rpc::Done& out) {
    if (!wish.under || wish.revoke) return;
    out.notes.push_back(wish.host.short_name() + " may fill all that " + wish.under->str() +
                        " may take; to bound that: zfs set quota=SIZE " + quote(wish.under->str()));
}

/// The daemon's part: nothing without --under, but that it says who we are.
Result<rpc::Done> set_accept(const Invocation& invocation, const Wish& wish) {
    if (wish.revoke && !wish.under) return rpc::Done{};
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return client.error();
    const auto other = check_other_host(wish.host, *client);
    if (!other) return other.error();
    if (!wish.under) return rpc::Done{};
    rpc::SetIn in;
    in.dataset = wish.under->str();
    in.settings["zrep:accept"] = (wish.revoke ? "-" : "+") + wish.host.short_name();
    in.dry_run = wish.dry_run;
    return client->call_as<rpc::Done>("pair.set", in);
}

/// A key goes before the leave to create, and comes after it: what fails in between leaves the host
/// with less.
Result<rpc::Done> carry_out(const Invocation& invocation, const Wish& wish) {
    auto keys = plan_keys(wish);
    if (!keys) return keys.error();
    if (wish.revoke) {
        auto written = write_keys(wish, *keys);
        if (!written) return written.error();
    }
    auto done = set_accept(invocation, wish);
    if (!done && wish.revoke && !wish.dry_run && keys->edit.changes)
        return std::move(done.error()).in("the keys are gone");
    if (!done) return done.error();
    if (!wish.revoke) {
        auto written = write_keys(wish, *keys);
        if (!written) return written.error();
    }
    tell_keys(wish, *keys, *done);
    tell_socket(invocation, wish, *done);
    tell_quota(wish, *done);
    return done;
}

int run_authorize(const Invocation& invocation) {
    if (invocation.has("ask") || invocation.has("ssh-config")) return ask_for_leave(invocation);
    const auto wish = read_wish(invocation);
    if (!wish && wish.error().code == Code::invalid_params)
        return usage_error(invocation, wish.error());
    if (!wish) return complain(invocation, wish.error());
    const auto done = carry_out(invocation, *wish);
    if (!done) return complain(invocation, done.error());
    if (invocation.json) {
        print_json(rpc::encode(*done));
        return kDone;
    }
    const char* would = wish->dry_run ? "would " : "";
    for (const auto& step : done->steps) std::printf("%s%s\n", would, printable(step).c_str());
    for (const auto& note : done->notes) std::printf("note: %s\n", printable(note).c_str());
    return kDone;
}

}  // namespace

const Command kAuthorize{
    "authorize",
    "",
    "HOST [--key FILE] [--under DATASET] [--user NAME] [--revoke | --ask [--ssh-config FILE]] [--dry-run]",
    "Let another host's key in, for replication alone",
    "On the host that is connected to. Writes the public key into authorized_keys of the user zrep, for\n"
    "`zrepctl peer --as HOST` and nothing else: no shell, no forwarding, no other name. Adds HOST to\n"
    "zrep:accept of DATASET: it may create filesystems below that one. Run again, it changes nothing.\n"
    "With --ask, on the host that connects: prints that command for HOST with this host's key, and\n"
    "makes root's key where there is none.\n"
    "With --revoke the keys of HOST go, or the one that --key names, and HOST from the list of DATASET,\n"
    "where --under names one. What is stored here stays.\n\n"
    "Example:\n"
    "  alpha: zrepctl authorize beta --ask --under backup    # prints the next line\n"
    "  beta:  zrepctl authorize alpha --under backup --key 'ssh-ed25519 AAAA... root@alpha'\n"
    "  alpha: ssh zrep@beta true </dev/null                  # compare the fingerprint\n",
    1,
    1,
    authorize_options,
    run_authorize};

}  // namespace zrepd::ctl
