// SPDX-License-Identifier: BSD-2-Clause
// Writes the figures to a file that node_exporter's textfile collector reads. Thread: io thread;
// the disk may hang, and does so on a thread of its own. Errors: one log line when it begins to
// fail, one when it is well again. Atomicity: a reader sees the old file or the new one.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/async/side_thread.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/metrics/http_server.hpp"

namespace zrepd::metrics {

/// Whether the file's folder is one that root, or whoever runs zrepd, alone can write to: anybody
/// else could put a link in the file's place.
Result<void> check_folder(const std::filesystem::path& file);
/// Replaces the file, readable for everybody. Blocks. The text outlives nothing but the call.
Result<void> write_file(const std::filesystem::path& file, const std::string& text);

class TextFile {
  public:
    TextFile(asio::any_io_executor executor,
             std::filesystem::path file,
             Source source,
             std::chrono::milliseconds every = kEvery);

    void start();
    /// Removes the file: figures of a zrepd that does not run are not to be taken for today's.
    Task<> stop();

    /// Prometheus asks node_exporter as often, or less.
    static constexpr std::chrono::milliseconds kEvery{15'000};

  private:
    Task<> run();
    Task<> write_once();
    void say(const Result<void>& written);

    std::filesystem::path file_;
    Source source_;
    std::chrono::milliseconds every_;
    SideThread disk_;
    TaskGroup tasks_;
    std::optional<bool> well_;  ///< how the last attempt ended
    bool written_ = false;      ///< a file of ours may be there
};

}  // namespace zrepd::metrics
