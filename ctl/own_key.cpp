// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/own_key.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "common/text.hpp"
#include "ctl/probe.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::chrono::seconds kOwnKeyLimit{10};
constexpr std::string_view kPlain =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._+-";

/// Its first line that is no frame: what follows says less.
std::string_view first_words(std::string_view text) {
    for (const auto part : split(text, '\n')) {
        const auto line = trim(part);
        if (!line.empty() && !line.starts_with('@')) return line;
    }
    return "it says nothing";
}

Error failed(const std::string& what, const Probe& probe, std::string remedy) {
    std::string why = "is not installed";
    if (probe.found && !probe.in_time) why = "does not end";
    if (probe.found && probe.in_time) why = "failed: " + quote(first_words(probe.text));
    return Error{.code = Code::refused, .message = what + " " + why, .remedy = std::move(remedy)};
}

std::string config_of(const OwnKeyWish& wish) {
    return wish.ssh_config.empty() ? wish.home + "/.ssh/config" : wish.ssh_config;
}

Result<std::vector<std::string>> ask_ssh(const OwnKeyWish& wish) {
    std::vector<std::string> argv{"ssh", "-G"};
    if (!wish.ssh_config.empty()) argv.insert(argv.end(), {"-F", wish.ssh_config});
    argv.insert(argv.end(), {"-l", "zrep", "--", wish.peer.str()});
    const Probe said = probe(argv, kOwnKeyLimit);
    if (!said.fine())
        return failed("ssh -G", said, "install OpenSSH's client, or mend its configuration");
    auto files = identity_files(said.text, wish.home);
    if (!files.empty()) return files;
    return Error{.code = Code::refused,
                 .message = "ssh's configuration names no key for " + wish.peer.str(),
                 .remedy = "set IdentityFile for it in " + config_of(wish)};
}

/// From the private key: its .pub file may be another's, or gone.
Result<PublicKey> read_key(const std::string& path) {
    const Probe said = probe({"ssh-keygen", "-y", "-P", "", "-f", path}, kOwnKeyLimit);
    if (said.fine()) return parse_public_key(said.text);
    return failed("ssh-keygen -y -f " + path, said, "");
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

std::string key_without_agent(const OwnKeyWish& wish) {
    return "make one for zrepd, `ssh-keygen -t ed25519 -N '' -f " + wish.home +
           "/.ssh/zrepd`, name it with IdentityFile for " + wish.peer.str() + " in " +
           config_of(wish) + ", then this again";
}

/// A name that only ssh can make out: another key might be let in than the one it offers.
bool is_clear(const std::string& file) {
    return file.starts_with('/') && file.find('%') == std::string::npos &&
           file.find("${") == std::string::npos;
}

Result<OwnKey> make_key(const OwnKeyWish& wish, const std::string& path) {
    const std::string half = path + ".pub";
    if (exists(half))
        return Error{.code = Code::refused,
                     .message = quote(half) +
                                " is there, and its private key is not: zrepd reaches "
                                "no agent and no token",
                     .remedy = key_without_agent(wish)};
    OwnKey out{.path = path, .made = true};
    if (wish.dry_run) return out;
    const Probe said =
        probe({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", wish.comment, "-f", path},
              kOwnKeyLimit);
    if (!said.fine())
        return failed("ssh-keygen", said, "make a key without a passphrase at " + quote(path));
    auto key = read_key(path);
    if (!key) {
        key.error().remedy = key_without_agent(wish);
        return key.error();
    }
    out.key = std::move(*key);
    return out;
}

}  // namespace

std::vector<std::string> identity_files(std::string_view said, const std::string& home) {
    constexpr std::string_view kWord = "identityfile ";
    std::vector<std::string> out;
    for (const auto part : split(said, '\n')) {
        const auto line = trim(part);
        if (!line.starts_with(kWord)) continue;
        std::string path(trim(line.substr(kWord.size())));
        if (path.starts_with("~/")) path.replace(0, 1, home);
        if (path.starts_with("%d/")) path.replace(0, 2, home);
        if (path != "none") out.push_back(std::move(path));
    }
    return out;
}

std::string key_text(const PublicKey& key) {
    std::string out = key.type + " " + key.blob;
    if (!key.comment.empty() && key.comment.find_first_not_of(kPlain) == std::string::npos)
        out += " " + key.comment;
    return out;
}

Result<OwnKey> own_key(const OwnKeyWish& wish) {
    const auto files = ask_ssh(wish);
    if (!files) return files.error();
    std::optional<Error> unusable;
    for (const std::string& file : *files) {
        if (!is_clear(file))
            return Error{.code = Code::refused,
                         .message = "cannot tell which file ssh means by IdentityFile " +
                                    quote(file) + " for " + wish.peer.str(),
                         .remedy = "name it in full in " + config_of(wish) + ", then this again"};
        if (!exists(file)) continue;
        auto key = read_key(file);
        if (key) return OwnKey{.path = file, .key = std::move(*key)};
        if (!unusable) unusable = std::move(key.error()).in("zrepd cannot use " + quote(file));
    }
    if (unusable) {
        unusable->code = Code::refused;
        unusable->remedy = key_without_agent(wish);
        return std::move(*unusable);
    }
    const auto best = std::find_if(files->begin(), files->end(), [](const std::string& file) {
        return file.ends_with("/id_ed25519");
    });
    return make_key(wish, best == files->end() ? files->front() : *best);
}

}  // namespace zrepd::ctl
