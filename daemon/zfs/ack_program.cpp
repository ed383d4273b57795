// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/ack_program.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "common/json_wide.hpp"
#include "common/rpc/fields.hpp"
#include "common/text.hpp"

namespace zrepd::ack_program {
namespace {

// Each item: snapshot, its guid as a signed number (which is how Lua has it), 1 or 0 for zrep:sent,
// the bookmark to make or "", then the snapshots to destroy with their number in front. Bookmark
// 17 is EEXIST: it is named after the guid, so it is the one we want. Old bookmarks are not
// destroyed here: zfs.sync.destroy knows none and answers ENOENT (seen on 2.3.2).
constexpr std::string_view kText = R"lua(
args = ...
argv = args["argv"]
at = 1
function take()
    at = at + 1
    return argv[at - 1]
end
function take_list()
    local list = {}
    for i = 1, tonumber(take()) do list[i] = take() end
    return list
end
sent = take()
items = {}
result = {}
while argv[at] ~= nil do
    local item = {}
    item.name = take()
    item.guid = take()
    item.set = take()
    item.bookmark = take()
    item.destroy = take_list()
    local out = { state = "ok", destroy = {} }
    if not zfs.exists(item.name) then
        out.state = "missing"
    else
        local guid = zfs.get_prop(item.name, "guid")
        if tostring(guid) ~= item.guid then out.state = "guid" end
    end
    items[#items + 1] = item
    result[#items] = out
end
for i, item in ipairs(items) do
    local out = result[i]
    if out.state == "ok" and item.set == "1" then
        out.sent = zfs.sync.set_prop(item.name, "zrep:sent", sent)
        if out.sent ~= 0 then out.state = "unset" end
    end
    if out.state == "ok" then
        if item.bookmark ~= "" then
            out.bookmark = zfs.sync.bookmark(item.name, item.bookmark)
        end
        for k, name in ipairs(item.destroy) do out.destroy[k] = zfs.sync.destroy(name) end
    end
end
return result
)lua";

std::string signed_guid(Guid guid) {
    return std::to_string(static_cast<std::int64_t>(guid.value));
}

std::string bookmark_path(const AckItem& item, const std::string& name) {
    return item.snapshot.dataset().str() + "#" + name;
}

std::string snapshot_path(const AckItem& item, const std::string& name) {
    return item.snapshot.dataset().str() + "@" + name;
}

/// What an errno of a channel program's function means here.
std::string reason(int number) {
    switch (number) {
        case EBUSY:
            return "it is held or in use";
        case EEXIST:
            return "it has dependent clones";
        case ENOSPC:
            return "the pool is out of space";
        case EDQUOT:
            return "a quota is exceeded";
        default:
            return std::generic_category().message(number);
    }
}

/// Number `key` of an object; 0 when it is not there. One that does not fit is none: cut down to an
/// int, 2^32 would say that all went well.
std::optional<int> number(const Json& object, const std::string& key) {
    const auto found = object.find(key);
    if (found == object.end()) return 0;
    int value = 0;
    if (!rpc::decode(*found, value, rpc::Strictness::request, key)) return std::nullopt;
    return value;
}

Error not_understood(std::string_view json) {
    return Error{.code = Code::zfs_failed,
                 .message = "the channel program answered something else: " + quote(json)};
}

/// Adds what became of one list; false when the answer is malformed.
bool read_list(const Json& out,
               const char* key,
               const std::vector<std::string>& paths,
               std::vector<std::pair<std::string, int>>& into) {
    const auto found = out.find(key);
    if (found == out.end()) return true;
    if (!found->is_object()) return false;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        const std::string index = std::to_string(i + 1);
        if (!found->contains(index)) continue;
        const auto status = number(*found, index);
        if (!status) return false;
        into.emplace_back(paths[i], *status);
    }
    return true;
}

Result<void> acknowledged(const AckItem& item, const Json& out) {
    const auto state = out.find("state");
    const std::string word =
        state != out.end() && state->is_string() ? state->get<std::string>() : std::string();
    if (word == "ok") return ok();
    if (word == "missing") return missing(item.snapshot);
    if (word == "guid") return replaced(item.snapshot);
    const auto status = number(out, "sent");
    if (word != "unset" || !status) return not_understood(dump_json(out));
    const bool full = *status == ENOSPC || *status == EDQUOT;
    return Error{
        .code = full ? Code::no_space : Code::zfs_failed,
        .message = "cannot set zrep:sent on " + item.snapshot.str() + ": " + reason(*status)};
}

bool read_rest(const AckItem& item, const Json& out, AckOutcome& outcome) {
    const auto marked = number(out, "bookmark");
    if (!marked) return false;
    if (*marked != 0 && *marked != EEXIST) {
        outcome.failed.push_back("bookmark " + bookmark_path(item, zrep_bookmark_name(item.guid)) +
                                 ": " + reason(*marked));
    }
    outcome.bookmarked = out.contains("bookmark") && (*marked == 0 || *marked == EEXIST);
    std::vector<std::pair<std::string, int>> done;
    if (!read_list(out, "destroy", item.destroy, done)) return false;
    for (const auto& [name, status] : done) {
        if (status == 0 || status == ENOENT) {
            outcome.destroyed.push_back(name);
        } else {
            outcome.failed.push_back("destroy " + snapshot_path(item, name) + ": " +
                                     reason(status));
        }
    }
    return true;
}

}  // namespace

std::string_view text() {
    return kText;
}

std::vector<std::string> arguments(UnixSeconds sent, const std::vector<AckItem>& items) {
    std::vector<std::string> result{std::to_string(sent)};
    for (const AckItem& item : items) {
        result.push_back(item.snapshot.str());
        result.push_back(signed_guid(item.guid));
        result.emplace_back(item.set_sent ? "1" : "0");
        const std::string name = zrep_bookmark_name(item.guid);
        result.push_back(item.bookmark ? bookmark_path(item, name) : std::string());
        result.push_back(std::to_string(item.destroy.size()));
        for (const std::string& old : item.destroy) result.push_back(snapshot_path(item, old));
    }
    return result;
}

Result<std::vector<AckOutcome>> outcomes(std::string_view json, const std::vector<AckItem>& items) {
    const Result<Json> parsed = parse_wide_json(json);
    if (!parsed.has_value() || !parsed->is_object()) return not_understood(json);
    const auto returned = parsed->find("return");
    if (returned == parsed->end() || !returned->is_object()) return not_understood(json);
    std::vector<AckOutcome> result;
    for (const AckItem& item : items) {
        const auto out = returned->find(std::to_string(result.size() + 1));
        if (out == returned->end() || !out->is_object()) return not_understood(json);
        AckOutcome outcome{.acknowledged = acknowledged(item, *out)};
        if (!read_rest(item, *out, outcome)) return not_understood(json);
        result.push_back(std::move(outcome));
    }
    return result;
}

Result<void> check(const AckItem& item) {
    const auto& names = item.destroy;
    const bool own = std::find(names.begin(), names.end(), item.snapshot.snapshot()) != names.end();
    if (own || !item.guid.known()) {
        return Error{.code = Code::internal,
                     .message = "refused to destroy the base " + item.snapshot.str()};
    }
    for (const std::string& name : names) {
        const Result<SnapshotName> full = SnapshotName::make(item.snapshot.dataset(), name);
        if (!full.has_value()) return full.error();
    }
    return ok();
}

Error missing(const SnapshotName& snapshot) {
    return Error{.code = Code::not_found,
                 .message = "snapshot " + snapshot.str() + " does not exist any more"};
}

Error replaced(const SnapshotName& snapshot) {
    return Error{.code = Code::conflict,
                 .message = "another snapshot has the name " + snapshot.str() +
                            " now; nothing was recorded on it"};
}

}  // namespace zrepd::ack_program
