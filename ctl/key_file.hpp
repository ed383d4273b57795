// SPDX-License-Identifier: BSD-2-Clause
// A user's ~/.ssh/authorized_keys, read and replaced by root. Whoever owns that home may put links
// in the way: every step goes through the folder's descriptor and follows none, and what others
// could write is refused, as sshd's StrictModes does. Atomic: a temporary file, fsync, rename.
// Errors: refused with what to change, io_error; busy while another zrepctl writes it.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace zrepd::ctl {

/// A public key's file has a few hundred bytes.
inline constexpr std::size_t kMaxPublicKeyFile = std::size_t{16} << 10;
/// Thousands of keys.
inline constexpr std::size_t kMaxAuthorizedKeys = std::size_t{1} << 20;

struct Account {
    std::string name;
    uid_t uid = 0;
    std::string home;
    std::string shell;
    std::vector<gid_t> groups;
};

/// not_found says how to make the user.
Result<Account> find_account(const std::string& name);
/// refused when sshd could run no command for it: a shell that runs none, or no home.
Result<void> check_login(const Account& account);
/// Whether the account may connect to a socket of this owner and mode.
bool may_connect(const Account& account, const struct stat& socket);

/// A public key's file, or standard input for "-". invalid_params when it is longer than
/// kMaxPublicKeyFile or no file that ends.
Result<std::string> read_public_key_file(const std::string& path);

class KeyFile {
  public:
    /// Reads it, and keeps others from writing it meanwhile. A home, a folder or a file that is not
    /// there yet is an empty file: replace() makes them, root's own.
    static Result<KeyFile> open(const Account& account);
    KeyFile(KeyFile&& other) noexcept;
    KeyFile& operator=(KeyFile&&) = delete;
    ~KeyFile();

    const std::string& path() const { return path_; }
    const std::string& text() const { return text_; }
    /// The whole file from now on; mode and owner stay.
    Result<void> replace(std::string_view text);

  private:
    KeyFile(const Account& account, std::string path) : account_(account), path_(std::move(path)) {}
    Result<void> enter(bool make);
    Result<void> read();
    Result<void> lock() const;
    Result<void> write_beside(std::string_view text, const char* name) const;

    Account account_;
    std::string path_;
    int home_ = -1;
    int folder_ = -1;
    std::string text_;
    bool there_ = false;
    struct stat old_ {};
};

}  // namespace zrepd::ctl
