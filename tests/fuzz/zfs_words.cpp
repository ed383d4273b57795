// SPDX-License-Identifier: BSD-2-Clause
// What else zfs, zpool and ssh print: events, differences, resume tokens, answers of channel
// programs, complaints. The first byte says which of them the rest is.
#include "common/json_wide.hpp"
#include "common/text.hpp"
#include "daemon/peer/ssh_errors.hpp"
#include "daemon/zfs/ack_program.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/snapshot_program.hpp"
#include "tests/fuzz/lines.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

std::string shown(const std::vector<Change>& changes) {
    std::string out;
    for (const Change& one : changes) {
        if (one.dataset) expect_no_option(one.dataset->str());
        out += (one.dataset ? one.dataset->str() : "*") + (one.versions_only ? "@\n" : "\n");
    }
    return out;
}

void check_events(std::string_view text) {
    parse::EventReader whole;
    const std::string once = shown(whole.feed(text));
    parse::EventReader pieces;
    std::string again;
    for (const auto piece : in_pieces(text)) again += shown(pieces.feed(piece));
    expect(once == again, "events do not depend on the pieces that they come in", text);
}

void expect_path(std::string_view path) {
    expect(path.starts_with('/'), "a path begins at the filesystem's root", path);
    expect(is_utf8(path), "a path is UTF-8", path);
    for (std::string_view rest = path; !rest.empty();) {
        const std::string_view next = rest.substr(0, utf8_length(rest));
        expect(!is_control(next), "a path has no control characters", path);
        rest.remove_prefix(next.size());
    }
}

void check_changes(std::string_view text) {
    for (const auto line : split(text, '\n')) {
        const auto change = parse::file_change(line, "/tank/fs");
        if (!change) continue;
        expect_path(change->path);
        if (change->kind == 'R') expect_path(change->new_path);
    }
}

/// As zfs describes a token, and the token itself, of which only letters are known here.
void check_token(std::string_view text) {
    const auto token = parse::token(text);
    if (!token) {
        expect_error(token.error());
    } else {
        expect(token->guid.known(), "a token is of a snapshot", text);
        expect_no_option(token->snapshot->str());
    }
    const std::string line(text.substr(0, text.find('\n')));
    for (const auto& argv : {command::token_info(line), command::send({.token = line})}) {
        if (!argv) {
            // Of an empty one it says that there is nothing to send.
            expect_error(argv.error());
        } else {
            expect_no_option(argv->back());
            expect(line.size() <= command::kMaxTokenBytes, "a token is bounded");
        }
    }
}

void check_complaints(std::string_view text) {
    expect_error(parse::failure(text, "exit status 1"));
    for (const std::string& one : parse::complaints(text)) (void)parse::classify(one);
    (void)parse::only_missing(text);
    for (const auto status : {std::optional<int>(255), std::optional<int>(5), std::optional<int>()})
        expect_error(peer::translate_ssh_failure("beta", "alpha", "zrep", status, text));
}

/// What the program returned about its first item.
Json first_of(std::string_view text) {
    const auto json = parse_wide_json(text);
    if (!json || !json->is_object() || !json->contains("return")) return {};
    const Json& returned = (*json)["return"];
    return returned.is_object() && returned.contains("1") ? returned["1"] : Json();
}

void check_program(std::string_view text) {
    const auto one = *SnapshotName::parse("tank/fs@zrep_000002");
    const auto two = *SnapshotName::parse("tank/b@zrep_000002");
    const std::vector<AckItem> items{
        {.snapshot = one, .guid = {7}, .bookmark = true, .destroy = {"zrep_000001"}},
        {.snapshot = two, .guid = {8}}};
    const auto acked = ack_program::outcomes(text, items);
    if (!acked) return expect_error(acked.error());
    expect(acked->size() == items.size(), "one outcome for each item", text);
    for (const AckOutcome& outcome : *acked) {
        if (!outcome.acknowledged) expect_error(outcome.acknowledged.error());
        for (const auto& failed : outcome.failed) expect(!failed.empty(), "a failure says what");
    }
    const Json& first = first_of(text);
    expect(!acked->front().bookmarked || first["bookmark"] == 0 || first["bookmark"] == 17,
           "only what was done is done",
           text);
}

void check_taken(std::string_view text) {
    const auto name = *SnapshotName::parse("tank/fs@zrep_000002");
    const auto taken = snapshot_program::outcomes(text, {name});
    if (!taken) return expect_error(taken.error());
    expect(taken->size() == 1, "one outcome for each name", text);
    if (!taken->front()) return expect_error(taken->front().error());
    expect(first_of(text)["err"] == 0 && taken->front()->guid.known(),
           "only what was taken is taken",
           text);
}

void check_version(std::string_view text) {
    const std::string version = parse::version(text);
    expect(
        version.find_first_not_of("0123456789.") == version.npos, "a version is digits", version);
    (void)parse::pool_trouble(text);
}

struct Reader {
    char letter;
    void (*check)(std::string_view text);
};
constexpr Reader kReaders[] = {{'e', check_events},
                               {'d', check_changes},
                               {'t', check_token},
                               {'x', check_complaints},
                               {'p', check_program},
                               {'s', check_taken},
                               {'v', check_version}};

}  // namespace

int fuzz_zfs_words(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    for (const Reader& reader : kReaders) {
        if (!text.empty() && text.front() == reader.letter) reader.check(text.substr(1));
    }
    return 0;
}

std::vector<std::string> zfs_words_seeds(const std::string& data) {
    std::vector<std::string> out{
        "tfull\ttank/fs@a\nresume token contents:\nnvlist version: 0\n\tobject = 0x2\n\toffset = "
        "0x0\n\tbytes = 0x10\n\ttoguid = 0x7\n\tfromguid = 0x6\n\trawok = 1\n\ttoname = "
        "tank/fs@zrep_000002\n",
        "t1-9ce825824-b8-789c",
        "dM\t/\t/tank/fs/a\\0040b\n+\tF\t/tank/fs/\\0303\\0244\nR\tF\t/tank/fs/a\t/tank/fs/b\n"
        "M\tF\t/tank/fs/c\t+1\n",
        R"(p{"return":{"1":{"state":"ok","bookmark":0,"destroy":{"1":0}},"2":{"state":"guid"}}})",
        R"(p{"return":{"1":{"state":"unset","sent":28},"2":{"state":"missing"}}})",
        R"(s{"return":{"1":{"err":0,"guid":"7","createtxg":"8","written":"9"}}})",
        R"(s{"return":{"1":{"err":28}}})",
        "vzfs-2.3.2-2~bpo12+2\nzfs-kmod-2.3.2\n",
        "vSUSPENDED\n",
        "xssh: Could not resolve hostname beta: Name or service not known\n",
        "xPermission denied (publickey).\n"};
    const std::string events = file_text(data + "/zfs/events.txt");
    for (std::size_t at = 0; at < events.size();) {
        const std::size_t end = events.find("\n\n", at);
        out.push_back("e" + events.substr(at, end == events.npos ? end : end + 2 - at));
        at = end == events.npos ? events.size() : end + 2;
    }
    const std::string errors = file_text(data + "/zfs/stderr.txt");
    for (std::size_t at = 0; at < errors.size();) {
        const std::size_t text = errors.find('\n', at) + 1;
        const std::size_t end = errors.find("\n== ", at);
        out.push_back("x" + errors.substr(text, end == errors.npos ? end : end + 1 - text));
        at = end == errors.npos ? errors.size() : end + 1;
    }
    return out;
}

std::vector<std::string> zfs_words_words() {
    return {"        class = \"sysevent.fs.zfs.history_event\"\n",
            "        history_dsname = \"tank/fs\"\n",
            "        history_internal_name = \"rename\"\n",
            "/%recv",
            "\n\n",
            "\"return\":{",
            "\"destroy\":{",
            "\"state\":\"unset\"",
            "\"bookmark\":4294967296",
            "\"err\":4294967296",
            "\"sent\":",
            "\\0342\\0200\\0256",
            "\\0033",
            "toname = ",
            "toguid = 0x",
            "rawok = ",
            "cannot ",
            "usage:",
            "does not exist",
            "\xe2\x80\xae",
            "\xc2\x9b"};
}

}  // namespace zrepd::fuzz
