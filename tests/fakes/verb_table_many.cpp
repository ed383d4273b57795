// SPDX-License-Identifier: BSD-2-Clause
// Judged row by row: what an administrator needs to hear at night.
#include "tests/fakes/verb_table.hpp"

namespace zrepd::test {
namespace {

constexpr const char* kMaster = "tank/fs  ->  beta:backup/fs  master";
constexpr const char* kTarget = "backup/fs  <-  alpha:tank/fs  target";

/// The two sides say what they are, whatever else is wrong.
std::vector<Row> lists_of_both() {
    std::vector<Row> out;
    for (const char* state : {"healthy",
                              "peer away",
                              "peer unreachable",
                              "paused",
                              "paused there",
                              "freezing",
                              "rejoining",
                              "promoted",
                              "conflict",
                              "fenced",
                              "pool readonly here",
                              "pool readonly there",
                              "target touched",
                              "half a stream",
                              "sync under way",
                              "failover under way",
                              "epoch nonsense",
                              "foreign snapshot there"}) {
        out.push_back(works(state, "list", kMaster));
        out.push_back(works(state, "list-L", kTarget));
    }
    for (const char* state : {"no dataset",
                              "no pair",
                              "initializing",
                              "handed over",
                              "stepping down",
                              "pool suspended",
                              "zfs fails",
                              "zfs hangs",
                              "source nonsense"})
        out.push_back(works(state, "list-L", kTarget));
    return out;
}

/// The side that is asked has no pair of the role that is meant, or none that is to be worked on.
std::vector<Row> all_of_nothing() {
    const std::string begin = "no pair to work on; 1 ";
    const std::string paused = begin + "paused; zrepctl list shows them";
    const std::string targets =
        begin + "the target here, whose masters are on other hosts; zrepctl list shows them";
    const std::string masters =
        begin + "the master here, whose copies are on other hosts; zrepctl list shows them";
    return {
        works("wrong side", "sync-all", targets),
        works("wrong side", "refresh-all", masters),
        works("peer refuses us", "refresh-all", "no pairs here; zrepctl init makes one"),
        works("paused", "sync-all", paused),
        works("paused", "refresh-all", "tank/fs on alpha is paused; nothing was sent; next: on"),
        works("paused there", "refresh-all", paused),
        works("initializing",
              "sync-all",
              begin + "not completely initialized; zrepctl list shows them"),
        works("handed over", "sync-all", targets),
        works("stepping down", "sync-all", targets),
        works("split brain", "refresh-all", masters),
        works("source nonsense",
              "sync-all",
              "no pair to work on: tank/fs has the properties of a pair that cannot be read")};
}

}  // namespace

std::vector<Row> verb_table_of_many() {
    std::vector<Row> out{
        {"no dataset",
         "list",
         5,
         "tank/none is not part of a pair",
         "zrepctl list shows the pairs; zrepctl init makes one",
         {}},
        works("wrong side", "list", kTarget),
        works("wrong side",
              "list-L",
              "nothing is received on alpha\n  next: zrepctl list without -L"),
        works("peer refuses us", "list", kMaster),
        works(
            "peer refuses us", "list-L", "no pairs on beta\n  next: zrepctl init FILESYSTEM HOST"),
        works("initializing", "list", "tank/fs  ->  beta:backup/fs  initializing"),
        works("handed over", "list", "tank/fs  <-  beta:backup/fs  target"),
        works("stepping down", "list", "tank/fs  <-  beta:backup/fs  target"),
        works("split brain", "list", kMaster),
        works("split brain",
              "list-L",
              "nothing is received on beta\n  next: zrepctl list without -L"),
        {"pool suspended",
         "list",
         1,
         "pool tank is SUSPENDED; tank/fs is shown as last seen",
         "repair it: zpool status tank, then zpool clear tank",
         {}},
    };
    for (const auto& part : {lists_of_both(), all_of_nothing()})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

}  // namespace zrepd::test
