// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/witness_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "common/text.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd::failover {
namespace {

using Found = WitnessFolder::Found;
using Item = WitnessFolder::Item;

bool write_record(const std::filesystem::path& path, const Record& record) {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const Fd fd(::open(path.c_str(), kFlags, 0600));
    struct stat found {};
    if (!fd || ::fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) return false;
    const std::string text = to_text(record);
    const auto size = static_cast<ssize_t>(text.size());
    return ::pwrite(fd.get(), text.data(), text.size(), 0) == size &&
           ::ftruncate(fd.get(), size) == 0 && ::fsync(fd.get()) == 0;
}

std::optional<Record> read_record(const std::filesystem::path& path, const std::string& side) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd) return std::nullopt;
    std::array<char, 1024> buffer{};
    const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return std::nullopt;
    auto out = parse_record({buffer.data(), static_cast<std::size_t>(got)});
    return out && out->side == side ? out : std::nullopt;
}

/// On the thread: may block for as long as it likes.
std::vector<Found> carry_out(const std::filesystem::path& folder, const std::vector<Item>& items) {
    std::vector<Found> out;
    for (const Item& item : items) {
        const auto& [ours, theirs] = item.sides;
        Found found;
        found.written = item.write && write_record(folder / record_name(ours, theirs), *item.write);
        found.theirs = read_record(folder / record_name(theirs, ours), theirs);
        out.push_back(std::move(found));
    }
    return out;
}

Error unanswered(const std::filesystem::path& folder, const std::string& why) {
    return Error{.code = Code::timed_out,
                 .message = "the witness " + folder.string() + " does not answer" + why,
                 .remedy = "look at its mount: ls " + quote(folder.string())};
}

struct Call {
    std::filesystem::path folder;
    std::vector<Item> items;
    std::vector<Found> found = {};
};

}  // namespace

WitnessFolder::WitnessFolder(asio::any_io_executor executor) : thread_(std::move(executor)) {}

Task<Result<std::vector<Found>>> WitnessFolder::exchange(std::filesystem::path folder,
                                                         std::vector<Item> items,
                                                         std::chrono::milliseconds limit) {
    const auto call = std::make_shared<Call>(Call{.folder = folder, .items = std::move(items)});
    const std::function<void()> work = [call] {
        call->found = carry_out(call->folder, call->items);
    };
    const auto end = co_await thread_.run(work, limit);
    switch (end) {
        case SideThread::End::done:
            break;
        case SideThread::End::late:
            co_return unanswered(folder, " in time");
        case SideThread::End::not_begun:
            co_return unanswered(folder, ": an earlier request hangs, or no thread is to be had");
    }
    co_return std::move(call->found);
}

}  // namespace zrepd::failover
