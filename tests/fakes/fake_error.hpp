// SPDX-License-Identifier: BSD-2-Clause
// An error of FakeZfs, in a word.
#pragma once

#include <string>
#include <utility>

#include "common/error.hpp"

namespace zrepd::test {

inline Error error(Code code, std::string message) {
    return Error{.code = code, .message = std::move(message)};
}

}  // namespace zrepd::test
