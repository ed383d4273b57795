// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/begin_record.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "daemon/async/fd.hpp"
#include "daemon/async/signal.hpp"

namespace zrepd::stream {
namespace {

constexpr std::uint64_t kMagic = 0x2F5bacbacULL;
constexpr std::size_t kMagicAt = 8;
constexpr std::size_t kVersionInfoAt = 16;
constexpr std::uint64_t kHeaderType = 3;  // the low two bits of drr_versioninfo
constexpr std::uint64_t kCompound = 2;
// A sender takes longer than that to begin; this is once per stream.
constexpr std::chrono::milliseconds kLookEvery{2};

std::uint64_t u64_at(std::string_view bytes, std::size_t at) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

/// How much of the beginning is there now, at most kBeginBytes; 0 also at the end of it. Negative:
/// nothing yet.
ssize_t peek(int fd, const Pipe& scratch, char* into) {
    const ssize_t from_socket = ::recv(fd, into, kBeginBytes, MSG_PEEK | MSG_DONTWAIT);
    if (from_socket >= 0 || errno != ENOTSOCK) return from_socket;
    const ssize_t copied = ::tee(fd, scratch.write.get(), kBeginBytes, SPLICE_F_NONBLOCK);
    return copied <= 0 ? copied : ::read(scratch.read.get(), into, kBeginBytes);
}

/// Nothing more will come: the writing end is closed.
bool is_ended(int fd) {
    pollfd look{.fd = fd, .events = POLLRDHUP, .revents = 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLRDHUP)) != 0;
}

}  // namespace

bool is_package(std::string_view begin) {
    if (begin.size() < kBeginBytes) return false;
    const std::uint64_t magic = u64_at(begin, kMagicAt);
    const bool swapped = magic == __builtin_bswap64(kMagic);
    if (magic != kMagic && !swapped) return false;
    const std::uint64_t info = u64_at(begin, kVersionInfoAt);
    return ((swapped ? __builtin_bswap64(info) : info) & kHeaderType) == kCompound;
}

Task<Result<void>> refuse_package(int fd, std::chrono::milliseconds limit) {
    auto scratch = make_pipe();
    if (!scratch) co_return scratch.error();
    std::array<char, kBeginBytes> begin{};
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return Error{.code = Code::cancelled, .message = "the stream was cancelled"};
        // Asked before the look: what was written before the end is all there then.
        const bool ended = is_ended(fd);
        const ssize_t there = peek(fd, *scratch, begin.data());
        const bool waits = there < 0 && (errno == EAGAIN || errno == EINTR);
        // An end, or an error that whoever reads the stream meets again.
        if (there == 0 || (there < 0 && !waits)) co_return ok();
        if (there == static_cast<ssize_t>(kBeginBytes)) break;
        if (ended) co_return ok();
        if (std::chrono::steady_clock::now() > until) {
            co_return Error{.code = Code::stalled,
                            .message = "the stream did not begin",
                            .remedy = "nothing to do: it is sent again"};
        }
        co_await sleep_for(kLookEvery);
    }
    if (!is_package({begin.data(), begin.size()})) co_return ok();
    co_return Error{.code = Code::refused,
                    .message =
                        "the stream is a package (zfs send -p, -R or -I), which could set "
                        "properties here; nothing was received",
                    .remedy =
                        "have the zrepd of this version on both hosts, and no program in its "
                        "place: which zfs"};
}

}  // namespace zrepd::stream
