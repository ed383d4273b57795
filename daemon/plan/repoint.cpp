// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/repoint.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::plan {
namespace {

/// Also one of a former name of this host or of the dataset, which pair_of() does not know.
bool is_configured(const Dataset& dataset) {
    return dataset.own(prop::kSrcHost) && dataset.own(prop::kDestHost);
}

std::optional<Error> not_now(const Dataset& dataset, const Self& self, bool as_target) {
    const std::string name = dataset.name.str();
    if (!is_configured(dataset)) {
        return Error{.code = Code::not_configured,
                     .message = name + " is no side of a pair",
                     .remedy = "zrepctl list shows the pairs; zrepctl init makes one"};
    }
    const std::string journal = dataset.own(prop::kInprogress).value_or("");
    // Of a lease that ran out no role change was begun; of a pair of a former name this is the way
    // back.
    const auto words = split(journal, ' ');
    const bool lapsed = std::find(words.begin(), words.end(), "lease=out") != words.end();
    if (!journal.empty() && (!lapsed || pair_of(dataset, self))) {
        return Error{.code = Code::busy,
                     .message = name + " is in the middle of something (" +
                                std::string(split(journal, ' ').front()) + ")",
                     .remedy = journal == "init"
                                   ? "zrepctl clear " + quote(name) + ", then init it anew"
                                   : "zrepctl status " + quote(name) + " shows what it waits for"};
    }
    const bool master = dataset.local(prop::kMaster) == "yes";
    if (master != as_target) return std::nullopt;
    return Error{
        .code = Code::wrong_role,
        .message = name + (master ? " is the master: -d is for the copy's side"
                                  : " is a copy: without -d it is for the master's side"),
        .remedy =
            master ? "zrepctl changeconfig " + quote(name) + " COPYHOST COPYFILESYSTEM, without -d"
                   : "zrepctl changeconfig -d " + quote(name) + " MASTERHOST MASTERFILESYSTEM"};
}

}  // namespace

Result<PropertyList> repoint(const Dataset& dataset,
                             const Self& self,
                             const OtherSide& other,
                             bool as_target) {
    const auto wrong = not_now(dataset, self, as_target);
    if (wrong) return *wrong;
    if (self.is(other.host) && other.dataset == dataset.name) {
        return Error{.code = Code::invalid_params,
                     .message = "both sides would be " + dataset.name.str() + " on this host"};
    }
    const OtherSide here{self.host, dataset.name};
    const OtherSide& source = as_target ? other : here;
    const OtherSide& target = as_target ? here : other;
    const auto short_name = [](const HostName& host) { return std::string(host.short_name()); };
    return PropertyList{{std::string(prop::kSrcHost), short_name(source.host)},
                        {std::string(prop::kSrcFs), source.dataset.str()},
                        {std::string(prop::kDestHost), short_name(target.host)},
                        {std::string(prop::kDestFs), target.dataset.str()}};
}

}  // namespace zrepd::plan
