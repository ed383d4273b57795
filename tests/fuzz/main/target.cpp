// SPDX-License-Identifier: BSD-2-Clause
// What libFuzzer calls; ZREPD_FUZZ_TARGET is the harness of this program.
#include "tests/fuzz/harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    return zrepd::fuzz::ZREPD_FUZZ_TARGET(data, size);
}
