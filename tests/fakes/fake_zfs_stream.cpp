// SPDX-License-Identifier: BSD-2-Clause
// FakeZfs: streams. A thread moves the bytes, so that both ends may be in one event loop.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <memory>
#include <thread>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/zfs/parse.hpp"
#include "tests/fakes/begin_record.hpp"
#include "tests/fakes/fake_error.hpp"
#include "tests/fakes/fake_zfs.hpp"

namespace zrepd::test {
namespace {

// What a pipe takes at once when poll(2) calls it writable (pipe(7), PIPE_BUF).
constexpr std::size_t kChunk = 4096;
constexpr int kPollMilliseconds = 10;
constexpr std::uint64_t kMaxPayload = 64 << 20;

std::string to_hex(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        result += digits[byte >> 4U];
        result += digits[byte & 15U];
    }
    return result;
}

std::optional<std::string> from_hex(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        const auto value = std::stoul(std::string(text.substr(i, 2)), nullptr, 16);
        result += static_cast<char>(value);
    }
    return result;
}

/// A token is "1-" and the header of the rest of the stream, in hexadecimal.
std::optional<FakeZfs::Header> decode(std::string_view token) {
    if (!token.starts_with("1-")) return std::nullopt;
    const bool hex = token.find_first_not_of("0123456789abcdef", 2) == token.npos;
    if (!hex) return std::nullopt;
    const auto line = from_hex(token.substr(2));
    return line ? FakeZfs::Header::parse(*line) : std::nullopt;
}

/// The moving part: a thread, its result, and who waits for it.
struct Worker {
    explicit Worker(const asio::any_io_executor& executor) : changed(executor) {}
    std::atomic<bool> stop = false;
    Signal changed;
    bool done = false;
    std::thread thread;

    /// False when the wait is over because of stop.
    bool ready(int fd, short events) const {
        while (!stop) {
            pollfd item{.fd = fd, .events = events, .revents = 0};
            if (::poll(&item, 1, kPollMilliseconds) > 0) return true;
        }
        return false;
    }
};

Task<> wait_done(std::shared_ptr<Worker> worker) {
    while (!worker->done) {
        const bool asked = co_await cancelled();
        if (asked) worker->stop = true;
        co_await worker->changed.wait();
    }
}

void announce(const asio::any_io_executor& executor, const std::shared_ptr<Worker>& worker) {
    asio::post(executor, [worker] {
        worker->done = true;
        worker->changed.notify();
    });
}

bool write_all(const Worker& worker, int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        if (!worker.ready(fd, POLLOUT)) return false;
        const ssize_t size = ::write(fd, bytes.data(), std::min(bytes.size(), kChunk));
        if (size <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

class FakeSend final : public StreamProcess {
  public:
    FakeSend(asio::any_io_executor executor,
             FakeZfs::Header header,
             Fd out,
             std::optional<std::uint64_t> stall)
        : worker_(std::make_shared<Worker>(executor)) {
        worker_->thread = std::thread([this, executor, header, fd = std::move(out), stall] {
            finished_ = run(header, fd.get(), stall);
            // Closed before the end is known, as with a process that exits.
            const_cast<Fd&>(fd).reset();
            announce(executor, worker_);
        });
    }
    ~FakeSend() override {
        worker_->stop = true;
        worker_->thread.join();
    }

    Task<Result<void>> wait() override {
        co_await wait_done(worker_);
        if (finished_) co_return ok();
        co_return worker_->stop ? error(Code::cancelled, "stopped before its end")
                                : error(Code::stream_failed, "the receiving side stopped reading");
    }
    void kill() override { worker_->stop = true; }

  private:
    bool run(const FakeZfs::Header& header, int fd, std::optional<std::uint64_t> stall) const {
        if (!write_all(*worker_, fd, begin_record(header.base) + header.line())) return false;
        const std::string chunk(kChunk, 'z');
        for (std::uint64_t at = header.skip; at < header.bytes;) {
            if (stall && at >= *stall) {
                while (!worker_->stop) ::poll(nullptr, 0, kPollMilliseconds);
                return false;
            }
            const std::uint64_t size = std::min<std::uint64_t>(kChunk, header.bytes - at);
            if (!write_all(*worker_, fd, std::string_view(chunk).substr(0, size))) return false;
            at += size;
        }
        return true;
    }

    std::shared_ptr<Worker> worker_;
    bool finished_ = false;
};

}  // namespace

class FakeReceive final : public StreamProcess {
  public:
    FakeReceive(FakeZfs& zfs,
                ReceiveSpec spec,
                Fd in,
                std::optional<std::uint64_t> cut,
                std::optional<Error> hang)
        : zfs_(zfs),
          spec_(std::move(spec)),
          hang_(std::move(hang)),
          worker_(std::make_shared<Worker>(zfs.executor_)) {
        worker_->thread = std::thread([this, executor = zfs.executor_, fd = std::move(in), cut] {
            run(fd.get(), cut);
            while (hang_ && !worker_->stop) ::poll(nullptr, 0, kPollMilliseconds);
            const_cast<Fd&>(fd).reset();
            announce(executor, worker_);
        });
    }
    ~FakeReceive() override {
        worker_->stop = true;
        worker_->thread.join();
        apply();
    }

    Task<Result<void>> wait() override {
        co_await wait_done(worker_);
        apply();
        co_return *result_;
    }
    void kill() override { worker_->stop = true; }

  private:
    void run(int fd, std::optional<std::uint64_t> cut) {
        std::string line;
        std::size_t begin = stream::kBeginBytes;
        std::string chunk(std::size_t{64} * 1024, 0);
        while (worker_->ready(fd, POLLIN)) {
            const ssize_t size = ::read(fd, chunk.data(), chunk.size());
            if (size <= 0) return;
            std::string_view bytes(chunk.data(), static_cast<std::size_t>(size));
            const std::size_t known = std::min(begin, bytes.size());
            bytes.remove_prefix(known);
            begin -= known;
            if (!header_) {
                const std::size_t end = bytes.find('\n');
                line.append(bytes.substr(0, end));
                if (end == bytes.npos) continue;
                header_ = FakeZfs::Header::parse(line);
                if (!header_) return;
                bytes.remove_prefix(end + 1);
            }
            received_ += bytes.size();
            if (cut && received_ >= *cut) {
                received_ = *cut;
                return;
            }
        }
    }

    /// Once, on the event loop: what arrived becomes the dataset's state.
    void apply() {
        if (result_) return;
        if (hang_) {
            result_ = *hang_;
            return;
        }
        result_ = header_ ? zfs_.apply(spec_, *header_, received_)
                          : error(Code::stream_failed, "failed to read from stream");
    }

    FakeZfs& zfs_;
    ReceiveSpec spec_;
    std::optional<Error> hang_;  ///< never ends by itself, and with this when killed
    std::shared_ptr<Worker> worker_;
    std::optional<FakeZfs::Header> header_;
    std::uint64_t received_ = 0;
    std::optional<Result<void>> result_;
};

std::string FakeZfs::Header::line() const {
    const Json json{{"name", name},
                    {"guid", guid.str()},
                    {"base", base.str()},
                    {"content", content},
                    {"bytes", bytes},
                    {"skip", skip},
                    {"raw", raw}};
    return dump_json(json) + "\n";
}

std::optional<FakeZfs::Header> FakeZfs::Header::parse(std::string_view line) {
    const Result<Json> json = parse_json(line);
    if (!json.has_value() || !json->is_object() || !json->contains("guid")) return std::nullopt;
    return Header{.name = json->at("name"),
                  .guid = Guid::parse(json->at("guid").get<std::string>()).value_or(Guid{}),
                  .base = Guid::parse(json->at("base").get<std::string>()).value_or(Guid{}),
                  .content = json->at("content"),
                  .bytes = json->at("bytes"),
                  .skip = json->at("skip"),
                  .raw = json->at("raw")};
}

Result<FakeZfs::Header> FakeZfs::header_for(const SendSpec& spec) {
    std::optional<Header> rest;
    std::optional<SnapshotName> name = spec.snapshot;
    if (!spec.token.empty()) {
        rest = decode(spec.token);
        if (!rest) return error(Code::not_found, "resume token is corrupt");
        name = SnapshotName::parse(rest->name).value();
    }
    if (!name) return error(Code::invalid_params, "nothing to send");
    const FakeSnapshot* snapshot = find(*name);
    if (snapshot == nullptr) return error(Code::not_found, name->str() + " does not exist");
    if (rest) {
        if (snapshot->guid == rest->guid) return *rest;
        return error(Code::not_found, name->str() + " is no longer the same snapshot");
    }
    Header header{.name = name->str(),
                  .guid = snapshot->guid,
                  .base = {},
                  .content = snapshot->content,
                  .bytes = snapshot->written,
                  .raw = spec.raw};
    if (spec.base.empty()) return header;
    const FakeDataset& dataset = *find(name->dataset());
    for (const FakeSnapshot& s : dataset.snapshots) {
        if ("@" + s.name == spec.base) header.base = s.guid;
    }
    for (const Bookmark& b : dataset.bookmarks) {
        if ("#" + b.name == spec.base) header.base = b.guid;
    }
    if (!header.base.known()) return error(Code::not_found, spec.base + " does not exist");
    return header;
}

Task<Result<TokenInfo>> FakeZfs::token_info(std::string token) {
    Result<void> entered = enter("token_info", token.substr(0, 16), "");
    if (!entered.has_value()) co_return entered.error();
    SendSpec spec{.snapshot = {}, .base = "", .token = token};
    Result<Header> header = header_for(spec);
    const auto named = decode(token);
    if (!header.has_value() && named) {
        TokenInfo gone;
        gone.gone = true;
        gone.snapshot = SnapshotName::parse(named->name).value();
        co_return gone;
    }
    if (!header.has_value()) co_return header.error();
    co_return TokenInfo{.snapshot = SnapshotName::parse(header->name).value(),
                        .guid = header->guid,
                        .base = header->base,
                        .bytes_done = header->skip,
                        .raw = header->raw};
}

Result<std::unique_ptr<StreamProcess>> FakeZfs::send(SendSpec spec, Fd out) {
    const std::string what = spec.snapshot
                                 ? spec.base + (spec.base.empty() ? "" : " ") + spec.snapshot->str()
                                 : std::string("-t");
    Result<void> entered =
        enter("send", what, spec.snapshot ? spec.snapshot->dataset().pool() : "");
    if (!entered.has_value()) return entered.error();
    Result<Header> header = header_for(spec);
    if (!header.has_value()) return header.error();
    header->bytes = std::min(header->bytes, kMaxPayload);
    return std::unique_ptr<StreamProcess>(std::make_unique<FakeSend>(
        executor_, *header, std::move(out), std::exchange(stall_, std::nullopt)));
}

Result<std::unique_ptr<StreamProcess>> FakeZfs::receive(ReceiveSpec spec, Fd in) {
    Result<void> entered = enter("receive", spec.snapshot.str(), spec.snapshot.dataset().pool());
    if (!entered.has_value()) return entered.error();
    return std::unique_ptr<StreamProcess>(
        std::make_unique<FakeReceive>(*this,
                                      std::move(spec),
                                      std::move(in),
                                      std::exchange(cut_, std::nullopt),
                                      std::exchange(hang_, std::nullopt)));
}

Result<void> FakeZfs::accept(const ReceiveSpec& spec, const Header& header) {
    const DatasetName& target = spec.snapshot.dataset();
    const FakeDataset* there = find(target);
    if (header.skip > 0) {
        const bool matches = there != nullptr && there->partial &&
                             there->partial->guid == header.guid &&
                             there->partial->bytes == header.skip;
        if (matches) return ok();
        return error(Code::conflict, target.str() + " has no partial receive of this stream");
    }
    if (there != nullptr && there->partial) {
        return error(Code::conflict, target.str() + " contains partially-complete state");
    }
    if (!header.base.known()) {
        if (there != nullptr) return error(Code::already_exists, target.str() + " exists");
        const auto parent = target.parent();
        const bool room = parent && find(*parent) != nullptr;
        if (!room)
            return error(Code::not_found, "the parent of " + target.str() + " does not exist");
        return ok();
    }
    if (there == nullptr && spec.origin) {
        const FakeSnapshot* origin = find(*spec.origin);
        if (origin != nullptr && origin->guid == header.base) return ok();
        return error(Code::conflict, "local origin for clone does not exist");
    }
    if (there == nullptr) return error(Code::not_found, target.str() + " does not exist");
    if (there->snapshots.empty() || there->snapshots.back().guid != header.base) {
        return error(Code::conflict, "most recent snapshot does not match incremental source");
    }
    if (there->written > 0) return error(Code::conflict, target.str() + " has been modified");
    return ok();
}

Result<void> FakeZfs::apply(const ReceiveSpec& spec, const Header& header, std::uint64_t received) {
    const DatasetName& target = spec.snapshot.dataset();
    Result<void> accepted = accept(spec, header);
    if (!accepted.has_value()) return accepted;
    FakeDataset* there = find(target);
    if (there == nullptr) {
        // Its streams do not say what they are of: what is made of them does.
        const bool volume = std::any_of(spec.properties.begin(),
                                        spec.properties.end(),
                                        [](const auto& one) { return one.first == "volmode"; });
        const FakeDataset* from = spec.origin ? find(spec.origin->dataset()) : nullptr;
        create(target.str(), from ? from->kind : volume ? Kind::volume : Kind::filesystem);
        there = find(target);
        there->content = 0;
        there->mounted = false;
        there->encrypted = header.raw;
        if (spec.origin) {
            there->origin = spec.origin->str();
            find(*spec.origin)->cloned = true;
        }
        for (const auto& [name, value] : spec.properties) {
            there->props[name] = Property{.value = value, .source = Source::local};
        }
    }
    changed(target, /*versions_only=*/false);
    const std::uint64_t have = header.skip + received;
    if (have < header.bytes) {
        Header rest = header;
        rest.skip = have;
        there->partial =
            FakePartial{.token = "1-" + to_hex(rest.line()), .guid = header.guid, .bytes = have};
        return parse::failure("cannot receive: checksum mismatch or incomplete stream", "");
    }
    there->partial.reset();
    there->written = header.bytes;
    there->content = header.content;
    take(*there, spec.snapshot.snapshot(), header.guid);
    return ok();
}

}  // namespace zrepd::test
