// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/estimate.hpp"

#include <gtest/gtest.h>

namespace zrepd::plan {
namespace {

Snapshot at(const char* name, std::uint64_t guid, std::uint64_t written_bytes) {
    Snapshot out;
    out.name = name;
    out.guid = Guid{guid};
    out.createtxg = guid;
    out.written_bytes = written_bytes;
    return out;
}

TEST(StreamBytes, IsWhatWasWrittenBehindTheBaseLessWhatHasArrived) {
    Dataset dataset(*DatasetName::parse("tank/fs"));
    dataset.referenced_bytes = 1000;
    const Versions versions{
        .snapshots = {at("a", 2, 1), at("b", 3, 20), at("c", 4, 300), at("d", 5, 4000)},
        .bookmarks = {{.name = "z", .guid = Guid{1}, .createtxg = 1}}};
    const struct {
        std::uint64_t snapshot, base, done;
        std::optional<std::uint64_t> bytes;
    } table[] = {{5, 4, 0, 4000},
                 {5, 2, 0, 4320},
                 {4, 3, 0, 300},
                 {4, 1, 0, 321},    // the base is left as a bookmark
                 {4, 3, 100, 200},  // resumed
                 {4, 3, 900, 0},    // more arrived than was thought
                 {4, 9, 0, std::nullopt},
                 {9, 4, 0, std::nullopt},
                 {9, 0, 0, 1000},  // a full stream
                 {9, 0, 400, 600}};
    for (const auto& [snapshot, base, done, bytes] : table)
        EXPECT_EQ(stream_bytes(&dataset, &versions, Guid{snapshot}, Guid{base}, done), bytes)
            << snapshot << " " << base;
    EXPECT_EQ(stream_bytes(nullptr, &versions, Guid{5}, Guid{4}, 0), std::nullopt);
    EXPECT_EQ(stream_bytes(&dataset, nullptr, Guid{5}, Guid{4}, 0), std::nullopt);
    EXPECT_EQ(stream_bytes(&dataset, nullptr, Guid{5}, Guid{}, 0), 1000);
}

}  // namespace
}  // namespace zrepd::plan
