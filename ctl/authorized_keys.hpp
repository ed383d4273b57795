// SPDX-License-Identifier: BSD-2-Clause
// Public keys, and the lines of sshd's authorized_keys that let other hosts run `zrepctl peer` and
// nothing else (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"; docs/adr/0018-authorize.md). Pure: text in,
// text out. Lines that are not zrepctl's stay as they are, byte for byte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/ids.hpp"
#include "common/result.hpp"

namespace zrepd::ctl {

struct PublicKey {
    std::string type;
    std::string blob;  ///< base64, as it stands in the file
    std::string comment;
};

/// The one key of a public key file. invalid_params says what else it is: a private key, several
/// keys, a line with options, a certificate, one that is cut.
Result<PublicKey> parse_public_key(std::string_view file);

/// Whether this is such a key's text, and not the name of its file: it begins with a type of key.
bool is_public_key(std::string_view text);

/// The line that lets whoever has the key speak as `host`, without its newline.
std::string key_line(const HostName& host, const PublicKey& key);

struct KeyEdit {
    bool changes = false;
    std::string text;         ///< of the whole file from now on
    std::size_t removed = 0;  ///< lines of the host that are gone
    std::size_t others = 0;   ///< lines of the host that stay, with other keys
};

/// With the key for `host`, once. already_exists when the key is another host's there, conflict
/// when it stands there with other rights: sshd takes the first line that fits.
Result<KeyEdit> with_key(std::string_view text, const HostName& host, const PublicKey& key);

/// Without the keys of `host`, or without `only` that one.
KeyEdit without_keys(std::string_view text, const HostName& host, const PublicKey* only);

}  // namespace zrepd::ctl
