// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the planner share: a plan out of two histories, and what it has to be.
#pragma once

#include <gtest/gtest.h>

#include "daemon/plan/plan.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::test {

using namespace zrepd::plan;  // NOLINT(google-build-using-namespace): the subject of these tests

/// `pool_free`: in bytes.
inline Step planned(const Dataset& dataset,
                    std::string_view history,
                    const TargetView& there,
                    std::uint64_t pool_free = std::uint64_t{1} << 40) {
    const Versions versions = snaps(history);
    return plan_sync({&dataset, &versions, pool_free}, there);
}

inline Step planned(std::uint64_t written, std::string_view history, const TargetView& there) {
    return planned(master(written), history, there);
}

inline Dataset with(Dataset dataset, std::string_view key, std::string value) {
    dataset.props[std::string(key)] = {std::move(value), Source::local};
    return dataset;
}

inline TargetView half_received(TargetView there, std::optional<Guid> token_guid) {
    there.resume_token = "1-abc";
    there.token_guid = token_guid;
    return there;
}

inline void expect_skip(const Step& step) {
    ASSERT_TRUE(std::holds_alternative<Skip>(step)) << describe(step, master(0).name).front();
    EXPECT_FALSE(std::get<Skip>(step).acknowledge);
}

inline Incremental expect_incremental(const Step& step) {
    const auto* found = std::get_if<Incremental>(&step);
    EXPECT_NE(found, nullptr) << describe(step, master(0).name).front();
    return found == nullptr ? Incremental{} : *found;
}

inline Error expect_conflict(const Step& step, Code code) {
    const auto* found = std::get_if<Conflict>(&step);
    EXPECT_NE(found, nullptr) << describe(step, master(0).name).front();
    if (found == nullptr) return {};
    EXPECT_EQ(info(found->error.code).name, info(code).name) << found->error.message;
    EXPECT_FALSE(found->error.remedy.empty());
    return found->error;
}

inline void expect_in(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

}  // namespace zrepd::test
