// SPDX-License-Identifier: BSD-2-Clause
// KEY=VALUE as `zrepctl set` takes it and as a zrep: property has it, and the values alone: names,
// times, sizes, grids, addresses.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "daemon/config/listen_address.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/zfs/command.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

/// What set stores is read back by whoever reads it, and is what would be stored again.
void expect_stored(const std::string& key, const std::string& value) {
    const auto again = plan::check_setting(key, value);
    expect(again && again->second == value, "what is stored stays as it is", key + "=" + value);
    if (value.empty()) return;
    const auto argv = command::set(*DatasetName::parse("tank/fs"), {{key, value}});
    expect(argv.has_value(), "zfs is given what is accepted", key + "=" + value);
    for (const std::string& word : *argv) expect_no_option(word);
    Dataset dataset(*DatasetName::parse("tank/fs"));
    dataset.props[key] = Property{.value = value, .source = Source::local};
    for (const auto role : {plan::Role::master, plan::Role::target}) {
        expect(!plan::unreadable_setting(dataset, role),
               "what is accepted can be read",
               key + "=" + value);
    }
}

void check_assignment(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == line.npos) return;
    const auto stored = plan::check_setting(line.substr(0, equals), line.substr(equals + 1));
    if (!stored) return expect_error(stored.error());
    expect(stored->first.starts_with("zrep:"), "a setting is one of ours", stored->first);
    expect_stored(stored->first, stored->second);
}

void check_names(std::string_view text) {
    if (const auto name = DatasetName::parse(text)) {
        expect_no_option(name->str());
        expect(name->str() == text && text.size() <= kMaxDatasetName, "a name stays what it is");
        expect(
            text.find_first_of("@#,%\n\t'\"\\$`;|&<>*?") == text.npos, "a name is harmless", text);
        if (const auto above = name->parent()) {
            expect(name->is_below(*above) && !above->is_below(*name), "above is above", text);
        }
    } else {
        expect_error(name.error());
    }
    if (const auto name = SnapshotName::parse(text)) {
        expect_no_option(name->str());
        expect(name->str() == text && text.size() <= kMaxDatasetName, "a name stays what it is");
    } else {
        expect_error(name.error());
    }
    if (const auto host = HostName::parse(text)) {
        expect_no_option(host->str());
        const auto again = HostName::parse(host->str());
        expect(again && *again == *host, "a host's name is read as written", text);
        expect(HostName::parse(host->short_name()).has_value(), "a short name is a name", text);
    } else {
        expect_error(host.error());
    }
}

void check_sequence(std::string_view text) {
    const auto sequence = zrep_sequence(text);
    if (!sequence) return;
    const std::string name = zrep_snapshot_name(*sequence);
    expect(text == name || text == name + "_unsent", "a number is of one name", text);
}

void check_times(std::string_view text) {
    if (const auto time = parse_duration(text)) {
        const auto again = parse_duration(format_duration(*time));
        expect(again && *again == *time, "a time is read as written", text);
        expect(time->count() >= 0 && !human_duration(*time).empty(), "a time passes", text);
    } else {
        expect_error(time.error());
    }
    if (const auto time = from_rfc3339(text)) {
        expect(to_rfc3339(*time) == text, "a date is read as written", text);
    }
    const auto pause = sched::read_pause(text);
    const bool paused = sched::is_paused(text, 1'700'000'000);
    expect(paused || pause.kind != sched::Pause::Kind::unreadable, "in doubt it is paused", text);
}

void check_sizes(std::string_view text) {
    if (const auto bytes = parse_bytes(text)) {
        const auto again = parse_bytes(std::to_string(*bytes));
        expect(again && *again == *bytes, "a size is read as written", text);
        (void)human_bytes(*bytes);
    } else {
        expect_error(bytes.error());
    }
    if (const auto grid = plan::parse_keep(text)) {
        const auto again = plan::parse_keep(plan::to_text(*grid));
        expect(again && *again == *grid, "a grid is read as written", text);
    } else {
        expect_error(grid.error());
    }
    if (const auto address = config::ListenAddress::parse(text)) {
        const bool here =
            !address->path.empty() || address->host == "127.0.0.1" || address->host == "::1";
        expect(here, "only this host may ask", text);
        const auto again = config::ListenAddress::parse(address->text());
        expect(again && again->text() == address->text(), "an address is read as written", text);
    } else {
        expect_error(address.error());
    }
}

void check_quote(std::string_view text) {
    const std::string quoted = quote(text);
    expect(is_utf8(quoted), "what is quoted is UTF-8", quoted);
    expect(quoted.find_first_of("\n\r\t\x1b") == quoted.npos, "what is quoted is one line", quoted);
    expect(quoted.size() <= 4 * kQuoteLimit + 8, "what is quoted is bounded", quoted);
}

}  // namespace

int fuzz_settings(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    check_assignment(text);
    const std::size_t equals = text.find('=');
    const std::string_view value = equals == text.npos ? text : text.substr(equals + 1);
    check_names(value);
    check_sequence(value);
    check_times(value);
    check_sizes(value);
    check_quote(text);
    return 0;
}

std::vector<std::string> settings_seeds(const std::string&) {
    std::vector<std::string> out{"interval=10m",
                                 "interval=none",
                                 "keep=24h:1h,30d:1d",
                                 "savecount=5",
                                 "paused=2026-03-01T12:00:00Z",
                                 "paused=yes",
                                 "zrep:accept=beta,gamma.example.org 10.0.0.2",
                                 "limit=1.5G",
                                 "minfree=10MiB",
                                 "maxsnaps=3",
                                 "fence=lease",
                                 "tank/a b@zrep_00002a",
                                 "zrep_10000000_unsent",
                                 "127.0.0.1:9820",
                                 "/run/zrepd/m.sock"};
    for (const auto key : prop::kSettings) out.push_back(std::string(key) + "=1");
    return out;
}

std::vector<std::string> settings_words() {
    std::vector<std::string> out{"none",    "off", "lease",       "boot",   "yes", "24h:1h",
                                 ",30d:1d", "1w",  "iB",          "1e18",   ".",   "0x",
                                 "1.5E",    "inf", "nan",         "[::1]:", "@",   "_unsent",
                                 "zrep_",   "Z",   "\xe2\x80\xae"};
    for (const auto key : prop::kSettings) out.push_back(std::string(key) + "=");
    return out;
}

}  // namespace zrepd::fuzz
