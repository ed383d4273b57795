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

Error failed(const std::string& what, const Probe& probe, std::string remedy) {
    std::string why = "is not installed";
    if (probe.found && !probe.in_time) why = "does not end";
    if (probe.found && probe.in_time) why = "failed: " + quote(trim(probe.text));
    return Error{.code = Code::refused, .message = what + " " + why, .remedy = std::move(remedy)};
}

Result<std::vector<std::string>> ask_ssh(const OwnKeyWish& wish) {
    std::vector<std::string> argv{"ssh", "-G"};
    if (!wish.ssh_config.empty()) argv.insert(argv.end(), {"-F", wish.ssh_config});
    argv.insert(argv.end(), {"--", wish.peer.str()});
    const Probe said = probe(argv, kOwnKeyLimit);
    if (!said.fine())
        return failed("ssh -G", said, "install OpenSSH's client, or mend its configuration");
    auto files = identity_files(said.text, wish.home);
    if (!files.empty()) return files;
    return Error{.code = Code::refused,
                 .message = "ssh's configuration names no key for " + wish.peer.str(),
                 .remedy = "set IdentityFile for it in " + wish.home + "/.ssh/config"};
}

/// From the private key: its .pub file may be another's, or gone.
std::optional<PublicKey> read_key(const std::string& path) {
    const Probe said = probe({"ssh-keygen", "-y", "-P", "", "-f", path}, kOwnKeyLimit);
    if (!said.fine()) return std::nullopt;
    auto key = parse_public_key(said.text);
    if (!key) return std::nullopt;
    return std::move(*key);
}

bool exists(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

Result<OwnKey> make_key(const OwnKeyWish& wish, const std::string& path) {
    OwnKey out{.path = path, .made = true};
    if (wish.dry_run) return out;
    const Probe said =
        probe({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", wish.comment, "-f", path},
              kOwnKeyLimit);
    if (!said.fine())
        return failed("ssh-keygen", said, "make a key without a passphrase at " + quote(path));
    auto key = read_key(path);
    if (!key) return Error{.code = Code::io_error, .message = quote(path) + " cannot be read back"};
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
        if (path.starts_with("/")) out.push_back(std::move(path));
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
    const auto there = std::find_if(files->begin(), files->end(), exists);
    for (auto file = there; file != files->end(); ++file) {
        if (!exists(*file)) continue;
        if (auto key = read_key(*file)) return OwnKey{.path = *file, .key = std::move(*key)};
    }
    if (there != files->end())
        return Error{
            .code = Code::refused,
            .message = quote(*there) + " has a passphrase, or is no key that zrepd can use",
            .remedy = "make one without, `ssh-keygen -t ed25519 -N '' -f " + wish.home +
                      "/.ssh/zrepd`, name it with IdentityFile for " + wish.peer.str() + " in " +
                      wish.home + "/.ssh/config, then this again"};
    const auto best = std::find_if(files->begin(), files->end(), [](const std::string& file) {
        return file.ends_with("/id_ed25519");
    });
    return make_key(wish, best == files->end() ? files->front() : *best);
}

}  // namespace zrepd::ctl
