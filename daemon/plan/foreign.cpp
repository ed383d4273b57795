// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/foreign.hpp"

#include <set>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/plan/conflicts.hpp"

namespace zrepd::plan {
namespace {

/// What a host may be called; what is stored came from anywhere.
std::string shown_host(const std::string& host) {
    return HostName::parse(host) ? host : quote(host);
}

struct Found {
    std::size_t count = 0;
    std::vector<std::string> names;  ///< of the first ones
    std::set<std::string> hosts;
};

Error describe(const Found& found, const Self& self, const std::string& config_file) {
    const bool one = found.count == 1;
    std::string names = join(found.names, ", ");
    if (found.count > found.names.size()) {
        names += " and " + std::to_string(found.count - found.names.size()) + " more";
    }
    const std::string hosts = join({found.hosts.begin(), found.hosts.end()}, ", ");
    const std::string before = found.hosts.size() == 1 ? hosts : "NAME";
    return Error{.code = Code::not_configured,
                 .message = std::to_string(found.count) +
                            (one ? " filesystem (" : " filesystems (") + names +
                            (one ? ") belongs to a pair of " : ") belong to pairs of ") +
                            (found.hosts.size() == 1 ? "host " : "hosts ") + hosts +
                            "; this host is called " + self.host.str(),
                 .remedy = "if this host was called " + before +
                           " before: set host-name = " + before + " in " + config_file +
                           " and restart zrepd; what is only a copy of another host's filesystem: "
                           "zrepctl clear " +
                           quote(found.names.front())};
}

}  // namespace

std::optional<std::string> foreign_host(const Dataset& dataset, const Self& self) {
    const auto src_host = dataset.own(prop::kSrcHost);
    const auto src_fs = dataset.own(prop::kSrcFs);
    const auto dest_host = dataset.own(prop::kDestHost);
    const auto dest_fs = dataset.own(prop::kDestFs);
    if (!src_host || !src_fs || !dest_host || !dest_fs) return std::nullopt;
    if (self.is(*src_host) || self.is(*dest_host)) return std::nullopt;
    const bool source = *src_fs == dataset.name.str();
    const bool target = *dest_fs == dataset.name.str();
    if (!source && !target) return std::nullopt;
    // Both have the same name there: the master says of itself that it is one.
    if (source && target) return dataset.local(prop::kMaster) == "yes" ? src_host : dest_host;
    return source ? src_host : dest_host;
}

std::optional<Error> foreign_pairs(const std::map<DatasetName, Dataset>& all,
                                   const Self& self,
                                   const std::string& config_file) {
    Found found;
    for (const auto& [name, dataset] : all) {
        const auto host = foreign_host(dataset, self);
        if (!host) continue;
        ++found.count;
        if (found.hosts.size() < kNamesShown) found.hosts.insert(shown_host(*host));
        if (found.names.size() < kNamesShown) found.names.push_back(name.str());
    }
    if (found.count == 0) return std::nullopt;
    return describe(found, self, config_file);
}

}  // namespace zrepd::plan
