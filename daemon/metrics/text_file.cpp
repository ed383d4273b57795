// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "common/text.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"

namespace zrepd::metrics {
namespace {

// A write takes milliseconds; a disk that takes longer hangs.
constexpr std::chrono::milliseconds kWriteLimit{10'000};
// zrepd has 5 s for all of its stop.
constexpr std::chrono::milliseconds kRemoveLimit{1'000};

Error failed(const std::filesystem::path& path, const std::string& why, int number = 0) {
    Error out{
        .code = Code::io_error,
        .message = path.string() + ": " + why,
        .remedy = "metrics-file needs a folder that is there and that root alone can write to"};
    if (number != 0) out.sys_errno = number;
    return out;
}

Error failed_call(const std::filesystem::path& path, int number) {
    return failed(path, std::generic_category().message(number), number);
}

/// The folder itself, whatever its name comes to mean meanwhile.
Result<Fd> open_folder(const std::filesystem::path& file) {
    const std::filesystem::path folder = file.parent_path();
    Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return failed_call(folder, errno);
    struct stat found = {};
    if (::fstat(fd.get(), &found) != 0) return failed_call(folder, errno);
    if (found.st_uid != 0 && found.st_uid != ::geteuid()) {
        return failed(folder, "it belongs to another user than root");
    }
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return failed(folder, "others than its owner can write to it");
    }
    return fd;
}

Result<void> write_all(const Fd& fd, const std::filesystem::path& file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed_call(file, errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
}

}  // namespace

Result<void> check_folder(const std::filesystem::path& file) {
    auto folder = open_folder(file);
    if (!folder) return folder.error();
    return ok();
}

Result<void> write_file(const std::filesystem::path& file, const std::string& text) {
    auto folder = open_folder(file);
    if (!folder) return folder.error();
    const std::string name = file.filename();
    // node_exporter reads *.prom alone. One that a kill left here is written anew.
    const std::string fresh = "." + name + ".new";
    ::unlinkat(folder->get(), fresh.c_str(), 0);
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    const Fd fd(::openat(folder->get(), fresh.c_str(), kFlags, 0644));
    if (!fd) return failed_call(file, errno);
    // Whatever the umask is.
    ::fchmod(fd.get(), 0644);
    Result<void> written = write_all(fd, file, text);
    // Not synced: after a power cut it is written again anyway.
    if (written && ::renameat(folder->get(), fresh.c_str(), folder->get(), name.c_str()) != 0) {
        written = failed_call(file, errno);
    }
    if (!written) ::unlinkat(folder->get(), fresh.c_str(), 0);
    return written;
}

TextFile::TextFile(asio::any_io_executor executor,
                   std::filesystem::path file,
                   Source source,
                   std::chrono::milliseconds every)
    : file_(std::move(file)),
      source_(std::move(source)),
      every_(every),
      disk_(executor),
      tasks_(executor) {}

void TextFile::start() {
    tasks_.spawn("metrics file", run());
}

Task<> TextFile::stop() {
    tasks_.cancel();
    co_await tasks_.join();
    if (!written_) co_return;
    const std::function<void()> remove = [file = file_] { ::unlink(file.c_str()); };
    co_await disk_.run(remove, kRemoveLimit);
}

Task<> TextFile::run() {
    while (true) {
        co_await write_once();
        const bool early = co_await cancelled();
        if (early) co_return;
        co_await sleep_for(every_);
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
}

Task<> TextFile::write_once() {
    const auto outcome = std::make_shared<Result<void>>();
    const std::function<void()> work = [file = file_, text = source_(Format::prometheus), outcome] {
        *outcome = write_file(file, *text);
    };
    written_ = true;
    const auto ended = co_await disk_.run(work, kWriteLimit);
    if (ended == SideThread::End::done) {
        say(*outcome);
        co_return;
    }
    const bool stop = co_await cancelled();
    if (!stop) say(failed(file_, "its disk does not answer"));
}

void TextFile::say(const Result<void>& written) {
    if (well_ == written.has_value()) return;
    well_ = written.has_value();
    if (written) {
        log::event(log::Level::info, "metrics_file_written", {{"file", file_.string()}});
        return;
    }
    log::event(log::Level::warn,
               "metrics_file_failed",
               {{"error", written.error().text()}, {"next", written.error().remedy}});
}

}  // namespace zrepd::metrics
