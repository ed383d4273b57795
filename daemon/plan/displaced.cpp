// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/displaced.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/plan/foreign.hpp"

namespace zrepd::plan {
namespace {

struct Stored {
    std::string here;  ///< the name under which the pair knows this side
    std::string host;
    std::string there;
    bool master = false;
};

std::optional<Stored> stored_of(const Dataset& dataset, const Self& self) {
    const auto src_host = dataset.local(prop::kSrcHost);
    const auto src_fs = dataset.local(prop::kSrcFs);
    const auto dest_host = dataset.local(prop::kDestHost);
    const auto dest_fs = dataset.local(prop::kDestFs);
    if (!src_host || !src_fs || !dest_host || !dest_fs) return std::nullopt;
    const bool may_be_source = self.is(*src_host);
    const bool may_be_target = self.is(*dest_host);
    const bool is_source = may_be_source && *src_fs == dataset.name.str();
    const bool is_target = may_be_target && *dest_fs == dataset.name.str();
    const bool readable = HostName::parse(is_source ? *dest_host : *src_host) &&
                          DatasetName::parse(is_source ? *dest_fs : *src_fs);
    // As pair_of() has it, and without what that costs for every dataset.
    if (is_source != is_target && readable) return std::nullopt;
    if (foreign_host(dataset, self)) return std::nullopt;
    const bool master = dataset.local(prop::kMaster) == "yes";
    // Of two hosts that are none of ours only a bad name is to be told of.
    if (!may_be_source && !may_be_target && HostName::parse(*src_host) &&
        HostName::parse(*dest_host)) {
        return std::nullopt;
    }
    const bool both = may_be_source == may_be_target;
    const bool source = both ? master : may_be_source;
    if (source) return Stored{*src_fs, *dest_host, *dest_fs, master};
    return Stored{*dest_fs, *src_host, *src_fs, master};
}

/// zrep:lease of a master says so (failover/lease.hpp).
std::string_view closed_by_lease(const Dataset& dataset) {
    const bool closed =
        dataset.readonly && dataset.local(prop::kLease).value_or("").starts_with("out");
    return closed ? ", and is readonly since nobody confirms its lease" : "";
}

/// On both hosts, the copy's first: its master asks it.
std::string repointed(const std::string& now, const Stored& stored, const Self& self) {
    const std::string here = "zrepctl changeconfig " + std::string(stored.master ? "" : "-d ") +
                             now + " " + stored.host + " " + quote(stored.there);
    const std::string there = "on " + stored.host + " zrepctl changeconfig " +
                              (stored.master ? "-d " : "") + quote(stored.there) + " " +
                              std::string(self.host.short_name()) + " " + now;
    return stored.master ? there + ", then here " + here : "here " + here + ", then " + there;
}

Error renamed(const Dataset& dataset, const Stored& stored, const Self& self) {
    const DatasetName& name = dataset.name;
    const std::string now = quote(name.str());
    const std::string other = stored.host + ":" + stored.there;
    return Error{.code = Code::not_configured,
                 .message = name.str() + " is the " + (stored.master ? "master" : "copy") +
                            " of a pair with " + other + " by the name of " + stored.here +
                            ": it was renamed, and is not synced" +
                            std::string(closed_by_lease(dataset)),
                 .remedy = "give it its name back: zfs rename " + now + " " + quote(stored.here) +
                           "; or make the new name the pair's: " + repointed(now, stored, self) +
                           "; if it is no side of that pair: zrepctl clear " + now};
}

/// The names are as they were, and something of them is no name at all.
Error spoiled(const Dataset& dataset) {
    std::string values;
    for (const auto key : {prop::kSrcHost, prop::kSrcFs, prop::kDestHost, prop::kDestFs}) {
        const bool host = key == prop::kSrcHost || key == prop::kDestHost;
        const std::string value = dataset.local(key).value_or("");
        const bool good =
            host ? HostName::parse(value).has_value() : DatasetName::parse(value).has_value();
        if (!good) values += (values.empty() ? "" : ", ") + std::string(key) + "=" + quote(value);
    }
    if (values.empty()) values = "both sides would be on this host";
    const std::string name = quote(dataset.name.str());
    const bool master = dataset.local(prop::kMaster) == "yes";
    return Error{.code = Code::not_configured,
                 .message = dataset.name.str() +
                            " has the properties of a pair that cannot be read (" + values +
                            "), and is not synced" + std::string(closed_by_lease(dataset)),
                 .remedy = "say anew where its other side is: zrepctl changeconfig " +
                           std::string(master ? "" : "-d ") + name +
                           " HOST FILESYSTEM; or forget the pair: zrepctl clear " + name};
}

}  // namespace

std::optional<Error> displaced(const Dataset& dataset, const Self& self) {
    const auto stored = stored_of(dataset, self);
    if (!stored) return std::nullopt;
    const auto before = DatasetName::parse(stored->here);
    const bool readable =
        before && DatasetName::parse(stored->there) && HostName::parse(stored->host);
    if (!readable || *before == dataset.name) return spoiled(dataset);
    return renamed(dataset, *stored, self);
}

std::optional<Error> unreadable_epoch(const Dataset& dataset, const Self& self) {
    const std::string text(dataset.own(prop::kEpoch).value_or(""));
    if (text.empty() || parse_u64(text)) return std::nullopt;
    const auto pair = pair_of(dataset, self);
    const std::string other =
        pair ? "on " + pair->peer.str() + " zfs get zrep:epoch " + quote(pair->peer_dataset.str())
             : "zfs get zrep:epoch there";
    const std::string name = quote(dataset.name.str());
    const std::string self_name(self.host.short_name());
    return Error{
        .code = Code::conflict,
        .message = "zrep:epoch=" + quote(text) + " of " + dataset.name.str() +
                   " is no number: which side of the pair is right cannot be told",
        .remedy = "look at the other side's (" + other + ") and make it the same, on " + self_name +
                  ": zfs set zrep:epoch=NUMBER " + name +
                  "; where both are master, or a role change is half done, one more than that if "
                  "the data of " +
                  self_name +
                  " counts, one less if the other's does; where the "
                  "other side cannot be asked, one above all that it had"};
}

std::optional<Error> displaced_pairs(const std::map<DatasetName, Dataset>& all, const Self& self) {
    std::optional<Error> first;
    std::size_t more = 0;
    for (const auto& [name, dataset] : all) {
        auto found = displaced(dataset, self);
        if (found && first) ++more;
        if (found && !first) first = std::move(found);
    }
    if (first && more != 0) {
        first->message += "; and " + std::to_string(more) + " more like it";
        first->remedy += "; then look again: zrepctl status names the next";
    }
    return first;
}

std::optional<Error> renamed_from(const DatasetName& before,
                                  const std::map<DatasetName, Dataset>& all,
                                  const Self& self) {
    for (const auto& [name, dataset] : all) {
        const auto stored = stored_of(dataset, self);
        if (stored && stored->here == before.str()) return displaced(dataset, self);
    }
    return std::nullopt;
}

}  // namespace zrepd::plan
