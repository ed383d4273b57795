// SPDX-License-Identifier: BSD-2-Clause
// The key with which zrepd here logs in to another host as zrep: what ssh itself would offer
// (ssh_config(5), IdentityFile), made where there is none. Runs ssh -G and ssh-keygen, 10 s each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "ctl/authorized_keys.hpp"

namespace zrepd::ctl {

struct OwnKeyWish {
    HostName peer;                ///< ssh's configuration may have a key for it
    std::string ssh_config = {};  ///< as zrepd's ssh-config; empty: ssh's own
    std::string home;             ///< of the user that zrepd runs as
    std::string comment;          ///< of a key that is made
    bool dry_run = false;         ///< makes none
};

struct OwnKey {
    std::string path;
    bool made = false;   ///< there was none: it is new, or would be in a dry run
    PublicKey key = {};  ///< empty in a dry run that would make it
};

/// refused when no key there is can be used, a passphrase say, which zrepd cannot type; when it
/// cannot be told which file ssh means; when ssh cannot be asked. No file that is there is written.
Result<OwnKey> own_key(const OwnKeyWish& wish);

/// The files that `ssh -G` names, in ssh's order, with `home` for `~` and %d. What ssh would still
/// have to expand stays as it stands. Pure.
std::vector<std::string> identity_files(std::string_view said, const std::string& home);

/// `type blob comment` as it may stand between single quotes: a comment that may not is left out.
std::string key_text(const PublicKey& key);

}  // namespace zrepd::ctl
