// SPDX-License-Identifier: BSD-2-Clause
// Whatever bytes come from outside, what reads them keeps its promises. A harness gives bytes to
// one family of readers and checks those; libFuzzer calls it with bytes of its own
// (tests/fuzz/run), the unit tests with the kept ones (tests/data/fuzz) and the seeds. A promise
// that is broken is thrown as Broken, which ends a fuzzer and fails a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.hpp"

namespace zrepd::fuzz {

struct Broken : std::logic_error {
    using std::logic_error::logic_error;
};

/// Throws Broken, with the promise and what broke it, unless it holds.
void expect(bool holds, std::string_view promise, std::string_view what = {});
/// An error that may stand in a log and on a terminal: one line, UTF-8, no control characters, of
/// bounded length.
void expect_error(const Error& error);
/// Nothing an option parser would take for an option.
void expect_no_option(std::string_view word);

std::string_view as_text(const std::uint8_t* data, std::size_t size);

int fuzz_control(const std::uint8_t* data, std::size_t size);
int fuzz_peer(const std::uint8_t* data, std::size_t size);
int fuzz_zfs_list(const std::uint8_t* data, std::size_t size);
int fuzz_zfs_words(const std::uint8_t* data, std::size_t size);
int fuzz_config(const std::uint8_t* data, std::size_t size);
int fuzz_settings(const std::uint8_t* data, std::size_t size);
int fuzz_stream(const std::uint8_t* data, std::size_t size);
int fuzz_http(const std::uint8_t* data, std::size_t size);
int fuzz_records(const std::uint8_t* data, std::size_t size);

struct Harness {
    std::string_view name;
    int (*run)(const std::uint8_t* data, std::size_t size);
    /// What to begin with: made from the tables that the program itself has, and from captured
    /// samples in `data` (tests/data).
    std::vector<std::string> (*seeds)(const std::string& data);
    /// Words that a fuzzer would not find by chance.
    std::vector<std::string> (*words)();
};

std::span<const Harness> harnesses();
/// The file's contents; empty when it cannot be read.
std::string file_text(const std::string& path);

}  // namespace zrepd::fuzz
