// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli's running sends and receives.
#include <signal.h>

#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

class CliStream final : public StreamProcess {
  public:
    /// `subject`: as of parse::failure().
    CliStream(Child child, std::string what, std::string subject)
        : child_(std::move(child)), what_(std::move(what)), subject_(std::move(subject)) {}

    Task<Result<void>> wait() override {
        const ExitStatus status = co_await child_.wait();
        const bool stopped = co_await cancelled();
        if (status.ok()) co_return ok();
        co_return failure(status, killed_ || stopped).in(what_);
    }

    void kill() override {
        killed_ = true;
        child_.terminate();
    }

  private:
    Error failure(const ExitStatus& status, bool ours) const {
        if (status.abandoned) {
            return Error{.code = Code::timed_out,
                         .message = "the process did not end even when killed",
                         .remedy = "it waits for a disk or pool: look at zpool status and dmesg"};
        }
        const std::string said = child_.stderr_tail();
        if (ours && said.empty()) {
            return Error{.code = Code::cancelled, .message = "stopped before its end"};
        }
        if (status.signal == SIGPIPE) {
            return Error{.code = Code::stream_failed,
                         .message = "the receiving side stopped reading"};
        }
        if (status.signal != 0 && said.empty()) {
            return Error{.code = Code::stream_failed, .message = status.text()};
        }
        return parse::failure(said, status.text(), subject_);
    }

    Child child_;
    std::string what_;
    std::string subject_;
    bool killed_ = false;
};

}  // namespace

Result<std::unique_ptr<StreamProcess>> ZfsCli::send(SendSpec spec, Fd out) {
    Result<Argv> argv = command::send(spec);
    if (!argv.has_value()) return argv.error();
    std::string what = "zfs send " + (spec.snapshot ? spec.snapshot->str() : "of a resumed stream");
    if (spec.snapshot) {
        Result<void> checked = check_pool(spec.snapshot->dataset().pool());
        if (!checked.has_value()) return checked.error();
    }
    std::string subject = command::subject(*argv);
    SpawnSpec process{.argv = std::move(*argv), .out = std::move(out)};
    Result<Child> child = processes_.start(std::move(process));
    if (!child.has_value()) return child.error();
    return std::unique_ptr<StreamProcess>(
        std::make_unique<CliStream>(std::move(*child), std::move(what), std::move(subject)));
}

Result<std::unique_ptr<StreamProcess>> ZfsCli::receive(ReceiveSpec spec, Fd in) {
    Result<Argv> argv = command::receive(spec);
    if (!argv.has_value()) return argv.error();
    Result<void> checked = check_pool(spec.snapshot.dataset().pool());
    if (!checked.has_value()) return checked.error();
    SpawnSpec process{.argv = std::move(*argv), .in = std::move(in)};
    Result<Child> child = processes_.start(std::move(process));
    if (!child.has_value()) return child.error();
    return std::unique_ptr<StreamProcess>(std::make_unique<CliStream>(
        std::move(*child), "zfs receive " + spec.snapshot.str(), spec.snapshot.dataset().str()));
}

}  // namespace zrepd
