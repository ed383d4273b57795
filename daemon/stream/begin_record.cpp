// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/begin_record.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/platform.hpp"
#include "daemon/async/signal.hpp"

namespace zrepd::stream {
namespace {

constexpr std::uint64_t kMagic = 0x2F5bacbacULL;
constexpr std::size_t kMagicAt = 8;
constexpr std::size_t kVersionInfoAt = 16;
constexpr std::size_t kFlagsAt = 36;
constexpr std::size_t kFromGuidAt = 48;
constexpr std::uint64_t kHeaderType = 3;  // the low two bits of drr_versioninfo
// zfs takes whatever is none of these for a package.
constexpr std::uint64_t kSubstream = 1;
constexpr std::uint32_t kClone = 1;  // DRR_FLAG_CLONE
// A sender takes longer than that to begin; this is once per stream.
constexpr std::chrono::milliseconds kLookEvery{2};

std::uint64_t u64_at(std::string_view bytes, std::size_t at, bool swapped) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return swapped ? __builtin_bswap64(value) : value;
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at, bool swapped) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return swapped ? __builtin_bswap32(value) : value;
}

Error not_ours(const std::string& what) {
    return Error{.code = Code::refused,
                 .message = "the stream is " + what + "; nothing was received",
                 .remedy =
                     "have the zrepd of this version on both hosts, and no program in its "
                     "place: which zfs"};
}

/// Not left to zfs: what was not seen was not checked.
Error too_short(std::size_t size) {
    return Error{.code = Code::io_error,
                 .message = size == 0 ? "the stream ended before it began"
                                      : "the stream ended in its beginning"};
}

}  // namespace

Result<void> check_begin(std::string_view begin, std::optional<Guid> base) {
    if (begin.size() < kMagicAt + sizeof kMagic) return too_short(begin.size());
    const bool swapped = u64_at(begin, kMagicAt, /*swapped=*/true) == kMagic;
    if (!swapped && u64_at(begin, kMagicAt, /*swapped=*/false) != kMagic)
        return not_ours("not one of zfs");
    if (begin.size() < kBeginBytes) return too_short(begin.size());
    if ((u64_at(begin, kVersionInfoAt, swapped) & kHeaderType) != kSubstream)
        return not_ours("a package (zfs send -p, -R or -I), which could set properties here");
    if ((u32_at(begin, kFlagsAt, swapped) & kClone) != 0)
        return not_ours("a clone, which would be made of another filesystem's snapshot here");
    if (base && u64_at(begin, kFromGuidAt, swapped) != base->value)
        return not_ours("not built on the snapshot that was agreed on");
    return ok();
}

Task<Result<std::string>> look_at_begin(int fd,
                                        std::optional<Guid> base,
                                        std::chrono::milliseconds limit) {
    std::array<char, kBeginBytes> begin{};
    std::size_t taken = 0;
    std::size_t seen = 0;
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return Error{.code = Code::cancelled, .message = "the stream was cancelled"};
        const platform::Peek look = platform::peek(fd, begin.data() + taken, kBeginBytes - taken);
        const bool waits = look.bytes < 0 && (errno == EAGAIN || errno == EINTR);
        if (look.bytes < 0 && !waits) {
            const std::string why = std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
            co_return Error{.code = Code::io_error, .message = "cannot look at the stream: " + why};
        }
        const auto more = static_cast<std::size_t>(std::max<ssize_t>(look.bytes, 0));
        seen = taken + more;
        if (look.taken) taken = seen;
        if (seen == kBeginBytes || look.ended) break;
        if (std::chrono::steady_clock::now() > until) {
            co_return Error{.code = Code::stalled,
                            .message = "the stream did not begin",
                            .remedy = "nothing to do: it is sent again"};
        }
        co_await sleep_for(kLookEvery);
    }
    const auto good = check_begin({begin.data(), seen}, base);
    if (!good) co_return good.error();
    co_return std::string(begin.data(), taken);
}

}  // namespace zrepd::stream
