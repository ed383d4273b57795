// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/fence.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"

namespace zrepd::failover {
namespace {

bool is_on(plan::Fence fence) {
    return fence != plan::Fence::off;
}

std::optional<std::string> kept_canmount(const Dataset& dataset) {
    return dataset.local(prop::kCanmount);
}

}  // namespace

std::string canmount_of(const Dataset& dataset) {
    // Any other value was set by somebody since, and counts.
    if (dataset.canmount != "noauto") return dataset.canmount;
    return kept_canmount(dataset).value_or(dataset.canmount);
}

bool is_hidden(const Dataset& dataset) {
    const bool by_fence = dataset.canmount == "noauto" && canmount_of(dataset) == "on";
    return by_fence && !dataset.mounted && dataset.mountpoint.starts_with('/');
}

PropertyList fence_work(const Dataset& dataset, const plan::Pair& pair) {
    PropertyList out;
    const bool settled = entry_of(dataset).journal == Journal::none;
    if (dataset.kind == Kind::volume || pair.role == plan::Role::initializing || !settled)
        return out;
    const bool master = pair.role == plan::Role::master;
    const bool wanted = master && is_on(pair.settings.fence);
    if (wanted && dataset.canmount == "on") {
        add_canmount(out, dataset, dataset.canmount);
    } else if (!wanted && kept_canmount(dataset)) {
        if (master && dataset.canmount == "noauto") add(out, "canmount", canmount_of(dataset));
        add(out, prop::kCanmount, "");
    }
    return out;
}

void add_canmount(PropertyList& out, const Dataset& dataset, const std::string& canmount) {
    if (!is_on(plan::settings_of(dataset).fence) || canmount != "on") {
        add(out, "canmount", canmount);
        add_no_fence(out, dataset);
        return;
    }
    add(out, "canmount", "noauto");
    add(out, prop::kCanmount, canmount);
}

void add_no_fence(PropertyList& out, const Dataset& dataset) {
    if (kept_canmount(dataset)) add(out, prop::kCanmount, "");
}

bool must_hear_peer(const Dataset& dataset, const plan::Pair& pair, bool opened) {
    if (pair.role != plan::Role::master || !is_on(pair.settings.fence)) return false;
    const Journal journal = entry_of(dataset).journal;
    if (journal == Journal::freezing) return true;
    const bool unserved = journal == Journal::promoted ? !dataset.mounted : is_hidden(dataset);
    return unserved && !opened;
}

std::optional<Error> unfenceable(const Dataset& dataset, const plan::Pair& pair) {
    if (pair.tree && pair.role == plan::Role::master && is_on(plan::settings_of(dataset).fence)) {
        // The pair's own setting counts as off.
        return Error{.code = Code::unsupported,
                     .message = "zrep:fence does not protect a recursive pair: what lies below " +
                                pair.dataset.str() + " would be served all the same",
                     .remedy =
                         "make what needs one a pair of its own, or say that you know: "
                         "zrepctl set " +
                         quote(pair.dataset.str()) + " zrep:fence=off"};
    }
    if (pair.role != plan::Role::master || !is_on(pair.settings.fence)) return std::nullopt;
    const std::string name = quote(pair.dataset.str());
    if (dataset.kind == Kind::volume) {
        return Error{.code = Code::unsupported,
                     .message =
                         "zrep:fence does not protect a volume: ZFS cannot hide it at the "
                         "next boot without taking it away now",
                     .remedy =
                         "start its users only when zrepctl status says that it is the "
                         "master and its peer is connected, and say that you know: zrepctl "
                         "set " +
                         name + " zrep:fence=off"};
    }
    if (dataset.mountpoint != "legacy" || dataset.canmount == "off") return std::nullopt;
    return Error{.code = Code::unsupported,
                 .message =
                     "zrep:fence does not protect a filesystem with mountpoint=legacy: "
                     "whatever /etc/fstab says mounts it",
                 .remedy = "give it a mount point of its own: zfs set mountpoint=/PATH " + name +
                           ", or say that you know: zrepctl set " + name + " zrep:fence=off"};
}

Error waits_for_peer(const Dataset& dataset, const plan::Pair& pair) {
    const std::string name = quote(pair.dataset.str());
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    if (entry_of(dataset).lease) {
        return Error{.code = Code::peer_unreachable,
                     .message = pair.dataset.str() +
                                " is readonly (zrep:fence=lease): nobody confirmed in time that " +
                                there + " did not take over",
                     .remedy = "it is writable again as soon as " + pair.peer.str() +
                               " answers; if that cannot be, and you are sure that " + there +
                               " is not the master: zrepctl unfence " + name};
    }
    const std::string fence(plan::fence_name(pair.settings.fence));
    return Error{.code = Code::peer_unreachable,
                 .message = pair.dataset.str() + " is not served (zrep:fence=" + fence +
                            "): nobody has said since this host "
                            "started whether " +
                            there + " took over meanwhile",
                 .remedy = "it is served as soon as " + pair.peer.str() +
                           " answers; if that cannot be, and you are sure that " + there +
                           " is not the master: zrepctl unfence " + name};
}

Error not_fenced(const DatasetName& dataset) {
    return Error{.code = Code::refused,
                 .message = "no fence keeps " + dataset.str() + " from being served",
                 .remedy = "nothing to do here; zrepctl status " + quote(dataset.str()) +
                           " shows whether something else is wrong"};
}

std::string unfence_price(const plan::Pair& pair) {
    return "until " + pair.peer.str() +
           " is heard nothing makes it readonly: no takeover -L there meanwhile, however long that "
           "waits";
}

}  // namespace zrepd::failover
