// SPDX-License-Identifier: BSD-2-Clause
// Reads what zfs(8) and zpool(8) print. The only place that interprets their words; samples of each
// stand in tests/unit/zfs_parse_test.cpp. Pure. Malformed input is an Error, never a crash.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::parse {

/// Output of command::get_datasets().
Result<std::vector<Dataset>> datasets(std::string_view out);
/// Output of command::list_versions(); each list oldest first.
Result<std::map<DatasetName, Versions>> versions(std::string_view out);
/// Output of command::token_info().
Result<TokenInfo> token(std::string_view out);

/// Why zfs failed. Unknown words are zfs_failed with the last lines kept.
Error failure(std::string_view err);
/// True when every complaint is that the hold is there already / gone already.
bool only_hold_exists(std::string_view err);
bool only_hold_missing(std::string_view err);
/// True when zfs does not offer or permit channel programs, so that plain commands are to be used.
bool program_refused(std::string_view err);

/// Output of `zfs program -j` with our acknowledgement program; one outcome per item.
Result<std::vector<AckOutcome>> program(std::string_view out, std::size_t items);

/// Lines of `zpool events -f -v` one at a time; a Change when an event is complete and matters.
class EventReader {
  public:
    std::optional<Change> line(std::string_view text);

  private:
    std::optional<Change> finish();
    std::string class_;
    std::string dataset_;
    std::string name_;
    std::string detail_;
};

}  // namespace zrepd::parse
