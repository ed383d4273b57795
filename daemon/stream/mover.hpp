// SPDX-License-Identifier: BSD-2-Clause
// One non-blocking step of a pump: from a descriptor to a descriptor, by splice(2) where one of
// them is a pipe, otherwise through one fixed buffer. No waiting, no Asio.
// Errors: as a Step with its errno. Limits: kCopyBytes of memory, and only when it must copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/async/fd.hpp"

namespace zrepd::stream {

/// The most one step moves: what the largest pipe holds.
inline constexpr std::size_t kStepBytes = kStreamPipeBytes;

struct Step {
    enum class Kind {
        moved,
        end,           ///< end-of-file, and everything before it was written
        wait_for_in,   ///< nothing to read yet
        wait_for_out,  ///< no room yet
        failed,
    };
    Kind kind = Kind::failed;
    std::size_t bytes = 0;  ///< with moved
    int error = 0;          ///< errno, with failed
    bool writing = false;   ///< with failed: the far end failed, not the source
};

class Mover {
  public:
    /// Both descriptors must be non-blocking and outlive the mover.
    Mover(int in, int out);

    /// Moves at most `limit` bytes (and kStepBytes) that are there now.
    Step step(std::size_t limit);
    /// What can be between two steps before the sender must wait: the smaller of the two ends.
    std::size_t capacity() const { return capacity_; }

  private:
    Step splice_step(std::size_t limit);
    Step copy_step(std::size_t limit);
    Step blocked() const;

    int in_;
    int out_;
    bool splices_ = false;
    std::size_t capacity_ = 0;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;  ///< of what was read and not yet written
    std::size_t end_ = 0;
    bool at_end_ = false;
};

}  // namespace zrepd::stream
