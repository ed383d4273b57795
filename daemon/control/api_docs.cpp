// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/api_docs.hpp"

#include <algorithm>

#include "common/rpc/control_types.hpp"
#include "common/rpc/message.hpp"
#include "daemon/control/registry.hpp"

namespace zrepd::control {
namespace {

constexpr std::string_view kIntroduction =
    R"(<!-- Generated from daemon/control/registry.cpp: edit that, then run
     ZREPD_UPDATE_DOCS=1 zrepd_unit_tests --gtest_filter='ApiDocs.*' -->
# The control socket

zrepd listens on two Unix sockets, `/run/zrepd/zrepd.sock` (root and the group `zrepd`) and
`/run/zrepd/zrepd-ro.sock` (everybody, reading methods only). Both speak JSON-RPC 2.0, one object per
line, in UTF-8.

    $ printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"daemon.version"}' | socat - UNIX:/run/zrepd/zrepd-ro.sock

- The server speaks first: a notification `hello`. Its protocol's major number must be the one you know.
- A request has an `id` (a string or a whole number). `params` is an object; an unknown key, a wrong type
  or `null` is an error (`invalid_params`, with the path) before anything is done. Leave out what you do
  not mean. There are no batches.
- A request line has at most 1 MiB, on the reading socket 64 KiB, 32 levels of nesting, 256 keys and 65,536 values. After a line that
  has more, is no JSON, or no request, the server says why with `"id": null` and closes. A line must be whole 60 s after it was begun.
- Requests of one connection are answered in order, each within 5 s. Longer work is a run: the answer has
  its `run_id`, and events tell its progress and end. What takes longer all the same is answered with
  `timed_out`, and goes on; when 64 calls of those with the same access do, one more is told `busy`. A client that leaves cancels nothing.
- Read your answers: a client that lets 4 MiB or 4,000 lines wait, or takes nothing for 30 s, is cut off.
  Progress it has not read yet is replaced by newer progress.
- Replies are objects and may get new keys: ignore those that you do not know. Numbers that may need 64
  bits (`guid`, `seq`) are decimal strings, times are RFC 3339 UTC, units are in the key's name.
- At most 1,536 clients at once, of them 1,024 on the reading socket; fewer where zrepd may have fewer than 3,072
  descriptors (`LimitNOFILE`). One too many is told `busy`. So is who has sent more than 64 KiB of a request that has
  not ended, when all such requests take 128 MiB.

Methods that change something take `dry_run` (say what would be done) and `request_key`: within ten
minutes the same key of the same user gives the first call's answer instead of acting again, so that a
client may repeat a call whose answer it lost. A failure that is `retryable` is not kept; a key used
again with other params is an error. The answer of a dry run is kept until it was given, so that one that
was `timed_out` can be waited for.

Access: `read` on either socket; `operate` for whoever may open `zrepd.sock`; `admin` for root.
)";

std::string type_of(const Json& schema) {
    std::string type = schema.value("type", std::string("any"));
    if (type == "array") return "list of " + type_of(schema["items"]);
    if (type == "object" && schema.contains("additionalProperties")) return "object of strings";
    if (type == "string" && schema.contains("pattern")) return "decimal string";
    return type;
}

std::string cell(std::string text) {
    for (std::size_t at = 0; (at = text.find('|', at)) != text.npos; at += 2) text.insert(at, "\\");
    return text;
}

/// A row per key, keys of inner objects as "outer.inner".
void add_rows(const Json& schema, const std::string& prefix, std::string& out) {
    const Json properties = schema.value("properties", Json::object());
    const Json required = schema.value("required", Json::array());
    for (const auto& [key, one] : properties.items()) {
        const bool needed = std::find(required.begin(), required.end(), key) != required.end();
        const bool list = one.value("type", "") == "array";
        out.append("| `").append(prefix).append(key).append("` | ").append(type_of(one));
        out.append(needed ? " |  | " : " | optional | ");
        out.append(cell(one.value("description", ""))).append(" |\n");
        add_rows(list ? one["items"] : one, prefix + key + (list ? "[]." : "."), out);
    }
}

std::string table(const std::string& title, const Json& schema) {
    std::string rows;
    add_rows(schema, "", rows);
    if (rows.empty()) return title + ": none.\n\n";
    return title + ":\n\n| key | type | | |\n|---|---|---|---|\n" + rows + "\n";
}

std::string kinds(std::span<const Code> codes) {
    std::string out;
    for (const Code code : codes) {
        if (!out.empty()) out += ", ";
        out += "`" + std::string(info(code).name) + "`";
    }
    return out;
}

std::string section(const Method& method) {
    const std::string name(method.name);
    std::string out = "### " + name + "\n\n" + std::string(method.summary) +
                      ". Access: " + std::string(access_name(method.access)) + ". Since " +
                      std::string(method.since) + ".\n\n";
    out += "    {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + name +
           "\",\"params\":" + std::string(method.example) + "}\n\n";
    out += table("Params", method.in_schema());
    if (name == "events.subscribe") {
        out +=
            "Result: `seq`, the decimal number of the last event before this answer, and `status`, as of "
            "status.get.\n\n";
    } else if (name == "rpc.discover") {
        out += "Result: an OpenRPC 1.2.6 document.\n\n";
    } else {
        out += table("Result", method.out_schema());
    }
    if (!method.errors.empty()) out += "Errors of its own: " + kinds(method.errors) + ".\n\n";
    return out;
}

std::string error_table() {
    std::string out =
        "## Errors\n\n`error.data` is `{kind, retryable, remedy?, run_id?, errno?}`. Programs switch on "
        "`kind`; `message` says what and\nwhy, `remedy` what to do next. `retryable`: trying later may help "
        "with nothing done in between. Every method may\nend with " +
        kinds(common_errors()) +
        ".\n\n| kind | code | retryable | exit status of zrepctl |\n|---|---|---|---|\n";
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        const CodeInfo& row = info(static_cast<Code>(i));
        out += "| `" + std::string(row.name) + "` | " + std::to_string(row.rpc) + " | " +
               (row.retryable ? "yes" : "no") + " | " + std::to_string(row.exit_status) + " |\n";
    }
    return out;
}

void closed_list(Json& schema, const char* key, std::initializer_list<const char*> words) {
    schema["properties"][key]["enum"] = words;
}

}  // namespace

std::string control_api_markdown() {
    std::string out(kIntroduction);
    out += "\n## Methods\n\n";
    for (const Method& method : methods()) out += section(method);
    out += "## Notifications\n\n### hello\n\nThe first line of every connection.\n\n" +
           table("Params", rpc::schema<rpc::Hello>());
    out +=
        "### event\n\nAfter events.subscribe. `event` is one of `run_started`, `run_progress`, "
        "`run_finished`,\n`pair_changed`, `peer_up`, `peer_down`, `target_rolled_back`, `warning`; "
        "more may come.\n\n" +
        table("Params", rpc::schema<rpc::EventOut>());
    return out + error_table();
}

Json status_schema() {
    Json out = {
        {"$schema", "https://json-schema.org/draft/2020-12/schema"},
        {"title", "zrepctl status --json"},
        {"description",
         "The state of every pair. Keys may be added; none is removed or changes its meaning "
         "within a major version of the protocol."}};
    out.update(rpc::schema<rpc::StatusOut>());
    Json& pair = out["properties"]["pairs"]["items"];
    closed_list(pair, "role", {"master", "target", "initializing"});
    closed_list(pair, "peer_state", {"connected", "unreachable", "unknown"});
    closed_list(pair, "health", {"ok", "late", "failing", "conflict", "split_brain"});
    return out;
}

}  // namespace zrepd::control
