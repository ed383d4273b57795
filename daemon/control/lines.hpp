// SPDX-License-Identifier: BSD-2-Clause
// The two queues of a connection: bytes coming in that become lines, and lines going out. Pure.
// Limits: given by the caller for lines in; kMaxQueuedBytes and kMaxQueuedLines for lines out.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace zrepd::control {

/// Takes bytes, gives whole lines. Holds at most the limit and what was appended last.
class LineBuffer {
  public:
    explicit LineBuffer(std::size_t limit) : limit_(limit) {}

    void append(std::string_view bytes);
    /// The next line without its newline; nullopt when it is not complete or too long.
    std::optional<std::string> take();
    /// The line that is coming is longer than the limit; nothing more can be taken.
    bool too_long() const { return too_long_; }
    /// Part of a line is here.
    bool begun() const { return start_ < bytes_.size(); }

  private:
    std::size_t limit_;
    std::string bytes_;
    std::size_t start_ = 0;    ///< of the line that is coming
    std::size_t scanned_ = 0;  ///< no newline between start_ and here
    bool too_long_ = false;
};

/// Lines that wait for the client to read. Progress is coalesced: a newer line of the same topic
/// takes the place of the one not yet sent, at the end, so that seq keeps growing.
class Outbox {
  public:
    // Some status replies of a large host. A client that is further behind does not read at all.
    static constexpr std::size_t kMaxQueuedBytes = std::size_t{4} << 20;
    // A run over some thousand filesystems may say something about each at once.
    static constexpr std::size_t kMaxQueuedLines = 4000;

    /// False when the client is too far behind to be served. One line may be longer than the limit:
    /// what counts is what waits already.
    bool push(std::string line, std::string topic = {});
    bool empty() const { return queue_.empty(); }
    std::size_t bytes() const { return bytes_; }
    /// The oldest line; not on an empty queue.
    std::string take();

  private:
    struct Item {
        std::string line;
        std::string topic;
    };
    std::deque<Item> queue_;
    std::size_t bytes_ = 0;
};

}  // namespace zrepd::control
