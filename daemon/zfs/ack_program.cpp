// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/ack_program.hpp"

namespace zrepd {

// An error in the middle of a program is not undone, so each item is checked before it is written:
// the snapshot must exist and be the very one that was sent. Error 17 is EEXIST: the bookmark is
// there already, from a run that ended before its answer arrived. Guids come as signed numbers.
const std::string_view kAckProgram = R"lua(
args = ...
local argv = args["argv"]
local sent = argv[1]
local out = {}
local n = 0
local good = false
local i = 2
while argv[i] ~= nil do
    local op = argv[i]
    if op == "item" then
        n = n + 1
        good = false
        local snap = argv[i + 1]
        local key = tostring(n) .. ":"
        if not zfs.exists(snap) then
            out[key .. "error"] = snap .. " does not exist any more"
        else
            local guid = zfs.get_prop(snap, "guid")
            if tostring(guid) ~= argv[i + 2] then
                out[key .. "error"] = snap .. " is not the snapshot that was sent"
            else
                local err = 0
                if argv[i + 3] == "sent" then
                    err = zfs.sync.set_prop(snap, "zrep:sent", sent)
                end
                if err ~= 0 then
                    out[key .. "error"] = "cannot set zrep:sent on " .. snap .. ", error " .. err
                else
                    good = true
                    out[key .. "ok"] = 1
                    if argv[i + 4] ~= "-" then
                        local marked = zfs.sync.bookmark(snap, argv[i + 4])
                        if marked ~= 0 and marked ~= 17 then
                            out[key .. "failed:bookmark " .. argv[i + 4]] = marked
                        end
                    end
                end
            end
        end
        i = i + 5
    elseif op == "destroy" then
        if good then
            local err = zfs.sync.destroy(argv[i + 1] .. "@" .. argv[i + 2])
            if err == 0 then
                out[tostring(n) .. ":destroyed:" .. argv[i + 2]] = 1
            else
                out[tostring(n) .. ":failed:destroy " .. argv[i + 1] .. "@" .. argv[i + 2]] = err
            end
        end
        i = i + 3
    else
        i = i + 1
    end
end
return out
)lua";

std::vector<std::string> ack_arguments(const AckBatch& batch) {
    std::vector<std::string> out{std::to_string(batch.sent)};
    for (const AckItem& item : batch.items) {
        const std::string dataset = item.snapshot.dataset().str();
        out.emplace_back("item");
        out.push_back(item.snapshot.str());
        out.push_back(std::to_string(static_cast<std::int64_t>(item.guid.value)));
        out.emplace_back(item.set_sent ? "sent" : "-");
        out.push_back(item.bookmark ? dataset + "#" + zrep_bookmark_name(item.guid) : "-");
        for (const auto& name : item.destroy) {
            out.emplace_back("destroy");
            out.push_back(dataset);
            out.push_back(name);
        }
    }
    return out;
}

}  // namespace zrepd
