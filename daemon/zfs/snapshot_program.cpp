// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/snapshot_program.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include "common/json_wide.hpp"
#include "common/rpc/fields.hpp"
#include "common/text.hpp"

namespace zrepd::snapshot_program {
namespace {

// Numbers travel as text: guids are beyond what JSON numbers are read as elsewhere, and Lua's are
// signed.
constexpr std::string_view kText = R"lua(
args = ...
result = {}
for i, name in ipairs(args["argv"]) do
    local out = { err = zfs.sync.snapshot(name) }
    if out.err == 0 then
        out.guid = tostring(zfs.get_prop(name, "guid"))
        out.createtxg = tostring(zfs.get_prop(name, "createtxg"))
        out.written = tostring(zfs.get_prop(name, "written"))
    end
    result[i] = out
end
return result
)lua";

Error not_understood(std::string_view json) {
    return Error{.code = Code::zfs_failed,
                 .message = "the channel program answered something else: " + quote(json)};
}

Error refused(const SnapshotName& name, int number) {
    const std::string what = "cannot take snapshot " + name.str() + ": ";
    switch (number) {
        case EEXIST:
            return {.code = Code::already_exists, .message = what + "it exists already"};
        case ENOENT:
            return {.code = Code::not_found, .message = what + "the filesystem is gone"};
        case ENOSPC:
            return {.code = Code::no_space,
                    .message = what + "there is no room in the pool, or for its refreservation",
                    .remedy =
                        "make room: zfs list -o space shows who uses it; zfs get "
                        "refreservation,quota,available " +
                        quote(name.dataset().str())};
        case EDQUOT:
            return {.code = Code::no_space,
                    .message = what + "a quota or snapshot limit is exceeded",
                    .remedy =
                        "see zfs get quota,refquota,snapshot_limit " + quote(name.dataset().str())};
        default:
            return {.code = Code::zfs_failed,
                    .message = what + std::generic_category().message(number)};
    }
}

std::optional<std::int64_t> signed_number(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return std::nullopt;
    return parse_i64(found->get_ref<const std::string&>());
}

std::optional<Snapshot> taken(const SnapshotName& name, const Json& out) {
    const auto guid = signed_number(out, "guid");
    const auto createtxg = signed_number(out, "createtxg");
    const auto written = signed_number(out, "written");
    if (!guid || !createtxg || !written || *guid == 0) return std::nullopt;
    Snapshot snapshot;
    snapshot.name = name.snapshot();
    snapshot.guid.value = static_cast<std::uint64_t>(*guid);
    snapshot.createtxg = static_cast<std::uint64_t>(*createtxg);
    snapshot.written_bytes = static_cast<std::uint64_t>(*written);
    return snapshot;
}

}  // namespace

std::string_view text() {
    return kText;
}

std::vector<std::string> arguments(const std::vector<SnapshotName>& names) {
    std::vector<std::string> result;
    result.reserve(names.size());
    for (const SnapshotName& name : names) result.push_back(name.str());
    return result;
}

Result<std::vector<Result<Snapshot>>> outcomes(std::string_view json,
                                               const std::vector<SnapshotName>& names) {
    const Result<Json> parsed = parse_wide_json(json);
    if (!parsed.has_value() || !parsed->is_object()) return not_understood(json);
    const auto returned = parsed->find("return");
    if (returned == parsed->end() || !returned->is_object()) return not_understood(json);
    std::vector<Result<Snapshot>> result;
    for (const SnapshotName& name : names) {
        const auto out = returned->find(std::to_string(result.size() + 1));
        if (out == returned->end() || !out->is_object()) return not_understood(json);
        const auto found = out->find("err");
        int err = 0;
        // Cut down to an int, 2^32 would say that all went well.
        if (found == out->end() || !rpc::decode(*found, err, rpc::Strictness::request, "err")) {
            return not_understood(json);
        }
        if (err != 0) {
            result.emplace_back(refused(name, err));
            continue;
        }
        auto snapshot = taken(name, *out);
        if (!snapshot) return not_understood(json);
        result.emplace_back(std::move(*snapshot));
    }
    return result;
}

}  // namespace zrepd::snapshot_program
