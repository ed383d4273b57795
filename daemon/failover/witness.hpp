// SPDX-License-Identifier: BSD-2-Clause
// A third party that confirms leases too: a folder on a third host, mounted by both sides of a
// pair, with one small record of each side in it. Each side writes its own and reads the other's,
// so nothing has to be locked, and no file system has to do more than: what was written, synced and
// closed is seen by whoever opens the file afterwards. A master writes, then looks whether the
// other side holds the pair; who takes over writes that it holds it, then looks whether the master
// has written meanwhile. Whichever comes second sees the other. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/failover/lease.hpp"

namespace zrepd::failover {

/// What one side of a pair says in the folder.
struct Record {
    std::string side;  ///< "alpha:tank/fs", to find a file that is not ours
    std::uint64_t epoch = 0;
    bool holds = false;       ///< as the master of that epoch, or to be that
    std::uint64_t count = 0;  ///< another one with each writing
    bool operator==(const Record&) const = default;
};
/// One block, with a sum over it: a record that is half written cannot be read.
std::string to_text(const Record& record);
std::optional<Record> parse_record(std::string_view text);

/// "host:dataset" of either side.
struct Sides {
    std::string ours;
    std::string theirs;
};
Sides sides_of(const plan::Pair& pair, const plan::Self& self);
/// The name of that side's record: short, of letters and digits, another one for each pair.
std::string record_name(const std::string& side, const std::string& other);

/// What a master that has just written its own record finds.
enum class Holding { confirmed, overtaken, unknown };
/// `theirs`: the other side's record. None: nobody shows that this is the folder that the other
/// side sees, and not the empty one below a mount that is missing.
Holding holding(std::uint64_t epoch, const std::optional<Record>& theirs);

/// The master's record as the side that wants to take over sees it, by its own clock: when a file
/// says that it was written is another clock's word.
struct Watch {
    std::optional<Record> last = {};
    BootTime since{};
    unsigned changes = 0;
};
void observe(Watch& watch, const Record& seen, BootTime now);
/// Nobody has written for long enough: whoever held it is readonly.
bool is_free(const Watch& watch, BootTime now, BootTime wait);

}  // namespace zrepd::failover
