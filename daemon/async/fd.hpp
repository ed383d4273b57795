// SPDX-License-Identifier: BSD-2-Clause
// Owned file descriptors and the two-way byte channel made of them. Every descriptor of ours is
// close-on-exec: a pipe end leaked into a zfs child means that end-of-file never comes.
#pragma once

#include <unistd.h>

#include <utility>

#include "common/result.hpp"

namespace zrepd {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = fd;
    }
    /// A second descriptor for the same open file, close-on-exec.
    Result<Fd> duplicate() const;

  private:
    int fd_ = -1;
};

struct Pipe {
    Fd read;
    Fd write;
};

/// The most that everybody may have (fs.pipe-max-size).
inline constexpr int kPipeBytes = 1 << 20;
/// Between the pump and zfs, so that the pump may sleep long. For root alone: else kPipeBytes. Not
/// towards ssh: what waits in that pipe looks as if it were sent, and a dead link as if it lived.
inline constexpr int kStreamPipeBytes = 8 << 20;

/// Close-on-exec, blocking, enlarged to `bytes` where the system lets us (F_SETPIPE_SZ).
Result<Pipe> make_pipe(int bytes = kPipeBytes);
/// Marks this end non-blocking. Never for a description that a child shares.
void set_nonblocking(int fd);

/// Two directions of bytes: a socket has the same description twice, pipes one each.
struct Channel {
    Fd in;
    Fd out;
};

}  // namespace zrepd
