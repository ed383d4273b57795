// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/writable.hpp"

#include "common/text.hpp"

namespace zrepd::plan {
namespace {

/// A member of a tree has it from the root: one of its own would stay when the root's role changes.
std::string remedy(const Dataset& dataset, const Dataset* root, const std::string& place) {
    const std::string name = quote(dataset.name.str());
    const bool member = root != nullptr && root != &dataset;
    if (!dataset.readonly && member && dataset.readonly_here) return "zfs inherit readonly " + name;
    if (!dataset.readonly)
        return "zfs set readonly=on " + (member ? quote(root->name.str()) : name);
    return "zfs unmount " + name + ", or, to go on reading there: mount -o remount,ro " +
           quote(place);
}

}  // namespace

std::optional<Error> writable_target(
    const std::vector<const Dataset*>& sides,
    const std::map<std::string, std::string, std::less<>>& writable) {
    const Dataset* first = nullptr;
    std::size_t others = 0;
    for (const Dataset* side : sides) {
        if (side == nullptr || !writable.contains(side->name.str())) continue;
        if (first == nullptr)
            first = side;
        else
            ++others;
    }
    if (first == nullptr) return std::nullopt;
    const std::string& place = writable.find(first->name.str())->second;
    const std::string why = first->readonly ? "" : ", and has readonly=off";
    const std::string more =
        others == 0 ? "" : " (others of its tree too: " + std::to_string(others) + ")";
    return Error{.code = Code::refused,
                 .message = first->name.str() + " is a target and is mounted writable on " + place +
                            why + more + ": the next sync rolls back what is written there",
                 .remedy = remedy(*first, sides.front(), place)};
}

}  // namespace zrepd::plan
