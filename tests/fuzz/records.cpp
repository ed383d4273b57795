// SPDX-License-Identifier: BSD-2-Clause
// What zrepd stores for itself and reads later, perhaps after somebody else wrote there: journals,
// how a master is served, notes of leases, a witness's record. The first byte says which.
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/witness.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

constexpr std::string_view kBoot = "5f3a";

void check_journal(std::string_view text) {
    const auto entry = failover::parse_entry(text);
    if (!entry) return;
    expect(entry->journal != failover::Journal::none, "an entry is of a step", text);
    const std::string once = failover::to_text(*entry);
    const auto again = failover::parse_entry(once);
    expect(again && failover::to_text(*again) == once, "a journal is read as written", text);
}

void check_serve(std::string_view text) {
    const auto serve = failover::parse_serve(text);
    if (!serve) return;
    const auto again = failover::parse_serve(failover::to_text(*serve));
    expect(again && failover::to_text(*again) == failover::to_text(*serve),
           "how a master is served is read as written",
           text);
    for (const std::string& word : {serve->canmount, serve->volmode, serve->mountpoint}) {
        if (!word.empty()) expect_no_option(word);
    }
}

void check_note(std::string_view text) {
    const auto note = failover::read_note(text);
    expect(failover::read_note(failover::to_text(note)) == note, "a note is read as written", text);
    expect(note.wait.count() >= 0 && note.wait <= failover::wait_of(failover::kLongestLease),
           "a wait has an end",
           text);
}

void check_closed(std::string_view text) {
    Dataset dataset(*DatasetName::parse("tank/fs"));
    dataset.props[std::string(prop::kMaster)] = {.value = "yes", .source = Source::local};
    Property& lease = dataset.props[std::string(prop::kLease)];
    lease = {.value = std::string(text), .source = Source::local};
    const auto note = failover::closed_note_of(dataset);
    if (!note) return;
    lease.value = failover::to_text(*note);
    expect(failover::closed_note_of(dataset) == note, "a note is read as written", text);
}

void check_leases(std::string_view text) {
    expect(failover::read_leases(text, "").empty(), "without a boot nothing counts", text);
    const auto leases = failover::read_leases(std::string(kBoot) + "\n" + std::string(text), kBoot);
    const std::string once = failover::to_text(leases, kBoot);
    expect(failover::read_leases(once, kBoot) == leases, "leases are read as written", text);
    expect(failover::read_leases(once, "other").empty(), "another boot's do not count", text);
}

/// The sum that a record ends with (FNV-1a), so that a fuzzer gets behind it.
std::string with_sum(std::string_view line) {
    std::uint64_t sum = 14695981039346656037ULL;
    for (const char c : line) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    std::string out(line);
    for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[sum >> shift & 15U];
    return out + "\n";
}

void check_record(std::string_view text) {
    const auto record = failover::parse_record(text);
    if (!record) return;
    const auto again = failover::parse_record(failover::to_text(*record));
    expect(again && *again == *record, "a record is read as written", text);
    std::string torn = failover::to_text(*record);
    torn.resize(torn.size() / 2);
    expect(!failover::parse_record(torn), "half a record is none", torn);
}

void check_summed(std::string_view text) {
    check_record(with_sum(std::string(text.substr(0, text.find('\n'))) + "\n"));
}

struct RecordReader {
    char letter;
    void (*check)(std::string_view text);
};
constexpr RecordReader kRecords[] = {{'j', check_journal},
                                     {'s', check_serve},
                                     {'n', check_note},
                                     {'c', check_closed},
                                     {'l', check_leases},
                                     {'w', check_record},
                                     {'m', check_summed}};

}  // namespace

int fuzz_records(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    for (const RecordReader& reader : kRecords) {
        if (!text.empty() && text.front() == reader.letter) reader.check(text.substr(1));
    }
    return 0;
}

std::vector<std::string> records_seeds(const std::string&) {
    using namespace failover;
    std::vector<std::string> out;
    for (const Journal journal : {Journal::freezing, Journal::rejoining, Journal::promoted}) {
        out.push_back("j" + to_text(Entry{.journal = journal,
                                          .base = {7},
                                          .copied = {8},
                                          .back = true,
                                          .readonly_was_here = true,
                                          .lease = true}));
    }
    out.push_back("s" + to_text(Serve{"on", true, "/srv/my data", "", "60s"}));
    out.push_back("s" + to_text(Serve{.volmode = "dev", .interval = "1h"}));
    out.push_back("n" + to_text(LeaseNote{BootTime(35000), "/mnt/w", true}));
    out.push_back("c" + to_text(ClosedNote{true}));
    out.push_back("l7 12345 /mnt/w tank/a b\n8 open - tank/c\n");
    const Record record{.side = "alpha:tank/fs", .epoch = 3, .holds = true, .count = 9};
    out.push_back("w" + to_text(record));
    out.push_back("m" + to_text(record).substr(0, to_text(record).find('\n') + 1));
    return out;
}

std::vector<std::string> records_words() {
    return {"freezing",
            "rejoining",
            "promoted",
            "base=",
            "copied=",
            "back=yes",
            "readonly=here",
            "lease=out",
            "canmount=on",
            "mounted=yes",
            "mountpoint=/",
            "volmode=",
            "interval=",
            "wait=",
            "ms",
            "open",
            "witness=",
            "out",
            "zrepd-lease-1 ",
            " holds ",
            " follows ",
            "18446744073709551615",
            "4503599627370496"};
}

}  // namespace zrepd::fuzz
