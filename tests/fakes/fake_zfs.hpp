// SPDX-License-Identifier: BSD-2-Clause
// FakeZfs: a pool in memory, for tests that need no kernel. Two of them in one process are two
// hosts: what send() writes, the other one's receive() applies, guids included.
//
//   FakeZfs alpha(io.get_executor());
//   alpha.create("tank").create("tank/fs");     // datasets, parents first
//   alpha.write("tank/fs", 4096);               // data not yet in a snapshot
//   alpha.fail_next("snapshot", Error{...});    // the next call of that method fails so
//   alpha.cut_next_receive(1000);               // the next stream breaks off after 1000 bytes
//   EXPECT_EQ(alpha.content("tank/fs"), beta.content("backup/fs"));
//   alpha.calls()                               // {"snapshot tank/fs@zrep_000001", ...}
//
// The contract is zfs.hpp's; error codes are those of ZfsCli on OpenZFS. Thread: the one that runs
// the executor. Limits: one stream's payload is the bytes that write() counted, at most 64 MiB.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/clock.hpp"
#include "daemon/zfs/zfs.hpp"

namespace zrepd::test {

struct FakeSnapshot {
    std::string name;
    Guid guid;
    std::uint64_t createtxg = 0;
    std::uint64_t written = 0;
    std::uint64_t content = 0;  ///< stands for the data: equal numbers are equal data
    std::optional<UnixSeconds> sent;
    bool held = false;
    bool foreign_hold = false;
    bool cloned = false;
    UnixSeconds created = unix_now();
};

/// A receive that was cut off: what `zfs receive -s` keeps.
struct FakePartial {
    std::string token;
    Guid guid;
    std::uint64_t bytes = 0;
};

struct FakeDataset {
    Kind kind = Kind::filesystem;
    Guid guid;
    std::uint64_t written = 0;
    std::uint64_t content = 0;
    bool encrypted = false;
    bool key_loaded = true;
    bool key_changed = false;  ///< a stream brought another than the one that is loaded
    bool mounted = true;
    bool in_use = false;                     ///< unmount says busy
    std::optional<std::uint64_t> available;  ///< by a quota or reservation; else set_available()
    std::string origin;
    std::map<std::string, Property, std::less<>> props;  ///< local and received ones; readonly too
    std::vector<FakeSnapshot> snapshots;                 ///< oldest first
    std::vector<Bookmark> bookmarks;
    std::optional<FakePartial> partial;
};

class FakeZfs final : public Zfs {
  public:
    explicit FakeZfs(asio::any_io_executor executor);

    // Arranging and looking, for tests. Names are not checked further than by their parse().
    FakeZfs& create(std::string_view dataset, Kind kind = Kind::filesystem);
    /// Data changes: `written` grows by this much and the content is a new one.
    void write(std::string_view dataset, std::uint64_t bytes);
    /// A snapshot taken behind zrepd's back.
    Guid take(std::string_view snapshot);
    /// A dataset destroyed behind zrepd's back.
    void forget(std::string_view dataset) { datasets_.erase(*DatasetName::parse(dataset)); }
    /// The dataset itself, to arrange or inspect anything. It must exist.
    FakeDataset& at(std::string_view dataset);
    bool exists(std::string_view dataset) const;
    std::uint64_t content(std::string_view dataset) { return at(dataset).content; }
    FakeSnapshot* snapshot_of(std::string_view dataset, Guid guid);

    /// The next call of this method ("set", "snapshot", "send", …) fails with this error.
    void fail_next(std::string method, Error error);
    enum class Effect { none, done };
    /// The next call that says all of this ("set tank/fs", "master=no") fails so; with
    /// Effect::done it does what it should all the same, as a process that ended too late. The
    /// latter is for set and inherit.
    void fail_at(std::string words, Error error, Effect effect = Effect::none);
    /// Called with each call before it does anything.
    void on_call(std::function<void(const std::string& call)> look) { look_ = std::move(look); }
    /// The next receive gets end-of-file after this many bytes of payload.
    void cut_next_receive(std::uint64_t bytes);
    /// The next receive gets all of its stream and does not end before it is killed.
    void hang_next_receive(Error killed = {.code = Code::cancelled,
                                           .message = "stopped before its end"}) {
        hang_ = std::move(killed);
    }
    /// The next send stops after this many bytes and waits to be killed.
    void stall_next_send(std::uint64_t bytes);
    /// check_pool() says this; empty: healthy.
    void set_pool_trouble(std::string_view pool, std::string trouble);
    /// As after `zpool import -o readonly=on`: whatever writes to the pool fails.
    void set_pool_readonly(std::string_view pool) { readonly_.emplace(pool); }
    /// Every call fails so from now on; nullopt: no more.
    void break_all(std::optional<Error> error) { broken_ = std::move(error); }
    /// The next datasets() sees what is there now and answers only at let_answer().
    void delay_next_datasets() { delay_ = true; }
    /// The next datasets() finds this pool suspended when it is already on its way.
    void suspend_at_next_datasets(std::string pool) { suspend_ = std::move(pool); }
    void let_answer() { answer_.notify(); }
    /// What the next diff() finds.
    void set_changes(FileChanges changes) { file_changes_ = std::move(changes); }
    /// What mount_at() mounted and unmount_at() did not unmount: the dataset by its place.
    const std::map<std::string, DatasetName>& places() const { return places_; }
    void set_available(std::uint64_t bytes) { available_ = bytes; }
    /// Every call, oldest first: "set tank/fs zrep:epoch=2 readonly=on".
    const std::vector<std::string>& calls() const { return calls_; }
    void forget_calls() { calls_.clear(); }
    /// Those of them that change something.
    std::vector<std::string> changes() const;
    /// Calls that begin with this text.
    std::size_t count(std::string_view begin) const;

    Task<Result<std::vector<Dataset>>> datasets(std::vector<DatasetName> which) override;
    Task<Result<std::map<DatasetName, Versions>>> versions(std::vector<DatasetName> which) override;
    Task<std::vector<Result<Snapshot>>> snapshot(std::vector<SnapshotName> names) override;
    Task<Result<std::vector<Snapshot>>> snapshot_together(std::vector<SnapshotName> names) override;
    Task<Result<void>> flush(std::vector<std::string> pools) override;
    Task<Result<void>> set(DatasetName dataset, PropertyList properties) override;
    Task<Result<void>> inherit(DatasetName dataset, std::vector<std::string> properties) override;
    Task<Result<void>> hold(std::vector<SnapshotName> names) override;
    Task<Result<void>> release(std::vector<SnapshotName> names) override;
    Task<Result<void>> forget_sent(std::vector<SnapshotName> names) override;
    Task<Result<std::set<SnapshotName>>> foreign_holds(std::vector<SnapshotName> names) override;
    Task<Result<void>> destroy_snapshots(DatasetName dataset,
                                         std::vector<std::string> names) override;
    Task<Result<void>> destroy_bookmark(DatasetName dataset, std::string name) override;
    Task<std::vector<AckOutcome>> acknowledge(AckBatch batch) override;
    Task<Result<void>> rollback(SnapshotName snapshot) override;
    Task<Result<void>> mount(DatasetName dataset) override;
    Task<Result<void>> remount(DatasetName dataset) override;
    Task<Result<void>> unmount(DatasetName dataset) override;
    // fake_zfs_diff.cpp
    Task<Result<void>> mount_at(DatasetName dataset, std::string place) override;
    Task<Result<void>> unmount_at(std::string place) override;
    Task<Result<FileChanges>> diff(DiffSpec spec) override;
    Task<Result<void>> sync_files(std::string mountpoint, std::chrono::milliseconds limit) override;
    Task<Result<void>> load_key(DatasetName dataset, bool only_try) override;
    Task<Result<void>> unload_key(DatasetName dataset) override;
    Task<Result<void>> clone(SnapshotName origin,
                             DatasetName dataset,
                             PropertyList properties) override;
    Task<Result<void>> destroy_dataset(DatasetName dataset) override;
    Task<Result<void>> abort_receive(DatasetName dataset) override;
    Task<Result<TokenInfo>> token_info(std::string token) override;
    Result<std::unique_ptr<StreamProcess>> send(SendSpec spec, Fd out) override;
    Result<std::unique_ptr<StreamProcess>> receive(ReceiveSpec spec, Fd in) override;
    Task<> watch(std::function<void(Change)> on_change) override;
    Result<void> check_pool(std::string_view pool) override;
    Task<Result<void>> check_writable(std::string pool) override;
    std::vector<std::string> unavailable_pools() override;
    std::string version() override { return "2.3.2"; }

    /// What stands in front of a fake stream's payload, as one line of JSON.
    struct Header {
        std::string name;  ///< dataset@snapshot at the sender
        Guid guid;
        Guid base;  ///< unknown: full
        std::uint64_t content = 0;
        std::uint64_t bytes = 0;  ///< of the whole payload
        std::uint64_t skip = 0;   ///< of it that a resumed stream leaves out
        bool raw = false;
        std::string line() const;
        static std::optional<Header> parse(std::string_view line);
    };

  private:
    friend class FakeReceive;

    /// Notes the call; the error that fail_next() or the pool's trouble prepared for it.
    Result<void> enter(const std::string& method, const std::string& words, std::string_view pool);
    /// What fail_at() prepared for the end of this call.
    Result<void> leave();
    std::string_view pool_in_trouble(const std::vector<DatasetName>& which);
    FakeDataset* find(const DatasetName& dataset);
    FakeSnapshot* find(const SnapshotName& snapshot);
    Result<void> destroy_one(const DatasetName& dataset, const std::string& name);
    AckOutcome acknowledge_one(UnixSeconds sent, const AckItem& item);
    Dataset describe(const DatasetName& name) const;
    Guid take(FakeDataset& dataset, std::string name, Guid guid);
    void changed(const DatasetName& dataset, bool versions_only);
    Result<Header> header_for(const SendSpec& spec);
    /// May this stream be received there now?
    Result<void> accept(const ReceiveSpec& spec, const Header& header);
    /// The end of a receive: all of the payload arrived, or a part of it.
    Result<void> apply(const ReceiveSpec& spec, const Header& header, std::uint64_t received);

    asio::any_io_executor executor_;
    std::map<DatasetName, FakeDataset> datasets_;
    std::map<std::string, std::list<Error>, std::less<>> failures_;
    struct Planned {
        std::string words;
        Error error;
        Effect effect = Effect::none;
    };
    std::list<Planned> planned_;
    std::optional<Error> late_;
    std::function<void(const std::string&)> look_;
    std::map<std::string, std::string, std::less<>> troubles_;
    std::set<std::string, std::less<>> readonly_;
    std::optional<Error> broken_;
    std::map<std::string, DatasetName> places_;
    FileChanges file_changes_;
    std::optional<std::uint64_t> cut_;
    std::optional<std::uint64_t> stall_;
    bool delay_ = false;
    std::string suspend_;
    std::optional<Error> hang_;  ///< what a kill of it comes to
    Signal answer_;
    std::vector<std::string> calls_;
    std::map<int, std::function<void(Change)>> watchers_;
    int next_watcher_ = 0;
    std::uint64_t txg_ = 100;
    std::uint64_t available_ = std::uint64_t{1} << 40;
};

}  // namespace zrepd::test
