// SPDX-License-Identifier: BSD-2-Clause
// Looking into what `zrepctl doctor` found.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ctl/render/doctor.hpp"

namespace zrepd::test {

using ctl::Diagnosis;

/// The one line about `check`; a failure when there is none.
inline Diagnosis about(const std::vector<Diagnosis>& all, const std::string& check) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.check == check; });
    if (found != all.end()) return *found;
    ADD_FAILURE() << "nothing is said of " << check;
    return {};
}

}  // namespace zrepd::test
