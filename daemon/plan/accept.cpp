// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/accept.hpp"

#include <algorithm>

#include "common/ids.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::plan {
namespace {

constexpr const char* kNobody = "none";

bool is_host(const std::string& listed, const std::string& peer) {
    const auto parsed = HostName::parse(listed);
    return parsed && parsed->short_name() == peer;
}

bool lists(const std::vector<std::string>& hosts, const std::string& peer) {
    return std::any_of(
        hosts.begin(), hosts.end(), [&](const auto& host) { return is_host(host, peer); });
}

Result<std::vector<std::string>> named_hosts(std::string_view change) {
    std::vector<std::string> out;
    for (const auto& host : host_list(change.substr(1))) {
        auto parsed = HostName::parse(host);
        if (!parsed) return parsed.error().in("zrep:accept");
        out.push_back(parsed->short_name());
    }
    if (!out.empty()) return out;
    return Error{.code = Code::invalid_params,
                 .message = "zrep:accept: " + quote(change) + " names no host",
                 .remedy = "write +HOST or -HOST"};
}

AcceptEdit with_more(const Dataset& dataset, const std::vector<std::string>& more) {
    AcceptEdit out;
    std::vector<std::string> hosts = host_list(dataset.effective(prop::kAccept).value_or(""));
    const bool inherits = !dataset.own(prop::kAccept) && !hosts.empty();
    for (const auto& host : more) {
        if (lists(hosts, host)) {
            out.notes.push_back(dataset.name.str() + " accepts " + host + " already");
            continue;
        }
        hosts.push_back(host);
        out.changes = true;
    }
    out.value = join(hosts, ",");
    if (out.changes && inherits) {
        out.notes.push_back(dataset.name.str() +
                            " has a list of its own from now on; what it inherited is part of it");
    }
    return out;
}

Result<AcceptEdit> with_less(const Dataset& dataset,
                             const Dataset* parent,
                             const std::vector<std::string>& less) {
    AcceptEdit out;
    const auto own = dataset.own(prop::kAccept);
    std::vector<std::string> hosts = host_list(own.value_or(""));
    for (const auto& host : less) {
        const std::size_t gone =
            std::erase_if(hosts, [&](const auto& listed) { return is_host(listed, host); });
        out.changes = out.changes || gone > 0;
        if (gone > 0) continue;
        if (!own && accepts(dataset, host)) {
            const std::string& name = dataset.name.str();
            return Error{.code = Code::conflict,
                         .message = name + " only inherits that it accepts " + host,
                         .remedy = "zfs get -o source zrep:accept " + quote(name) +
                                   " names the dataset to say it of"};
        }
        out.notes.push_back(dataset.name.str() + " does not accept " + host);
    }
    out.value = join(hosts, ",");
    const auto above = parent == nullptr ? std::nullopt : parent->effective(prop::kAccept);
    if (out.changes && hosts.empty() && !host_list(above.value_or("")).empty()) {
        out.value = kNobody;
        out.notes.push_back(dataset.name.str() + " accepts nobody now; the list of " +
                            parent->name.str() + ", " + quote(*above) +
                            ", would be in force else: zrep:accept= for that");
    }
    return out;
}

}  // namespace

std::vector<std::string> host_list(std::string_view value) {
    if (trim(value) == kNobody) return {};
    std::string text(value);
    std::replace(text.begin(), text.end(), ',', ' ');
    std::vector<std::string> out;
    for (const auto part : split(text, ' ')) {
        if (!trim(part).empty()) out.emplace_back(trim(part));
    }
    return out;
}

bool accepts(const Dataset& dataset, const std::string& peer) {
    return lists(host_list(dataset.effective(prop::kAccept).value_or("")), peer);
}

bool is_accept_change(std::string_view value) {
    return value.starts_with('+') || value.starts_with('-');
}

Result<void> check_accept_change(std::string_view change) {
    const auto hosts = named_hosts(change);
    if (!hosts) return hosts.error();
    return ok();
}

Result<AcceptEdit> edit_accept(const Dataset& dataset,
                               const Dataset* parent,
                               std::string_view change) {
    const auto hosts = named_hosts(change);
    if (!hosts) return hosts.error();
    if (change.starts_with('+')) return with_more(dataset, *hosts);
    return with_less(dataset, parent, *hosts);
}

}  // namespace zrepd::plan
