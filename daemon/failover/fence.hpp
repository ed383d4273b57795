// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=boot, as far as it is a decision: a master is stored with canmount=noauto, so that
// after a reboot nobody mounts it before zrepd has heard that no other side took over meanwhile;
// zrep:canmount keeps what canmount really is. Pure. ADR 0012.
#pragma once

#include <optional>
#include <string>

#include "daemon/plan/pair.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::failover {

/// What canmount is without the fence.
std::string canmount_of(const Dataset& dataset);

/// It would be mounted but for the fence: it was not since the boot, or since it was unmounted.
bool is_hidden(const Dataset& dataset);

/// What is to be set so that the dataset is stored as its zrep:fence wants it; empty: nothing, or
/// not while a role change is unfinished.
PropertyList fence_work(const Dataset& dataset, const plan::Pair& pair);

/// canmount of a dataset that becomes the master, with what its fence makes of it.
void add_canmount(PropertyList& out, const Dataset& dataset, const std::string& canmount);
/// A target needs no fence: it is unmounted and readonly.
void add_no_fence(PropertyList& out, const Dataset& dataset);

/// What an operator who lets a leased master go on has to know until its peer is heard.
std::string unfence_price(const plan::Pair& pair);
/// Nothing of it may be served before the peer was heard. `opened`: it was, or an operator vouched
/// for it, since zrepd started. One that is mounted is served already, so zrepd alone was
/// restarted; one that was cut off in a failover may still be mounted, but is readonly.
bool must_hear_peer(const Dataset& dataset, const plan::Pair& pair, bool opened);

/// Why zrep:fence does not protect this master; with the commands to choose from.
std::optional<Error> unfenceable(const Dataset& dataset, const plan::Pair& pair);
/// What a master waits for that may not be served yet.
Error waits_for_peer(const Dataset& dataset, const plan::Pair& pair);
/// Asked to open a fence that is not closed.
Error not_fenced(const DatasetName& dataset);

}  // namespace zrepd::failover
