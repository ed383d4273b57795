// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/witness_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <mutex>
#include <system_error>
#include <thread>

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

}  // namespace

/// Shared with a thread that may hang when everything else has ended.
struct WitnessFolder::State {
    explicit State(asio::any_io_executor on) : executor(on) { ended.emplace(on); }
    asio::any_io_executor executor;
    std::optional<Signal> ended;  ///< of the event loop: gone before that is
    bool busy = false;
    std::mutex guard;
    bool alive = true;  ///< the event loop is there; under `guard`
};

namespace {

struct Call {
    std::filesystem::path folder;
    std::vector<Item> items;
    std::vector<Found> found = {};
    bool done = false;
};

}  // namespace

WitnessFolder::WitnessFolder(asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

WitnessFolder::~WitnessFolder() {
    const std::lock_guard lock(state_->guard);
    state_->alive = false;
    state_->ended.reset();
}

Task<Result<std::vector<Found>>> WitnessFolder::exchange(std::filesystem::path folder,
                                                         std::vector<Item> items,
                                                         std::chrono::milliseconds limit) {
    const std::shared_ptr<State> state = state_;
    const Deadline late(state->executor, limit, [state] { state->ended->notify(); });
    // Another one of ours may be on its way, and quick.
    while (state->busy && !late.expired()) {
        const bool stop = co_await cancelled();
        if (stop) break;
        co_await state->ended->wait();
    }
    if (state->busy) co_return unanswered(folder, ": an earlier request hangs");
    const auto call = std::make_shared<Call>(Call{.folder = folder, .items = std::move(items)});
    const auto work = [state, call] {
        call->found = carry_out(call->folder, call->items);
        const std::lock_guard lock(state->guard);
        if (!state->alive) return;
        asio::post(state->executor, [state, call] {
            call->done = true;
            state->busy = false;
            state->ended->notify();
        });
    };
    state->busy = true;
    try {
        // Nobody waits for its end: it may never come.
        std::thread(work).detach();
    } catch (const std::system_error& e) {
        state->busy = false;
        co_return Error{.code = Code::busy, .message = e.what()};
    }
    while (!call->done && !late.expired()) {
        const bool stop = co_await cancelled();
        if (stop) break;
        co_await state->ended->wait();
    }
    if (!call->done) co_return unanswered(folder, " in time");
    co_return std::move(call->found);
}

}  // namespace zrepd::failover
