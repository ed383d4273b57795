// SPDX-License-Identifier: BSD-2-Clause
// The beginning of a zfs stream, from which is told whether it is one stream or a package.
#include <array>

#include "daemon/stream/begin_record.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

/// Eight bytes in either order, read one by one.
std::uint64_t number_at(std::string_view bytes, std::size_t at, bool big_endian) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[at + (big_endian ? i : 7 - i)]);
        out = out << 8U | byte;
    }
    return out;
}

/// The same decision from the format's description (dmu_replay_record), written another way.
bool package_by_description(std::string_view bytes) {
    if (bytes.size() < 24) return false;
    for (const bool big_endian : {false, true}) {
        if (number_at(bytes, 8, big_endian) != 0x2F5bacbacULL) continue;
        return number_at(bytes, 16, big_endian) % 4 == 2;
    }
    return false;
}

std::string begin_of(std::uint64_t info, bool big_endian) {
    std::string out(8, '\0');
    for (const std::uint64_t value : {std::uint64_t{0x2F5bacbac}, info}) {
        for (unsigned i = 0; i < 8; ++i) {
            const unsigned shift = 8 * (big_endian ? 7 - i : i);
            out.push_back(static_cast<char>(value >> shift & 0xffU));
        }
    }
    return out;
}

}  // namespace

int fuzz_stream(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    const bool package = stream::is_package(text);
    expect(package == package_by_description(text), "a package is known as one", text);
    expect(package == stream::is_package(text.substr(0, stream::kBeginBytes)),
           "only the beginning counts",
           text);
    return 0;
}

std::vector<std::string> stream_seeds(const std::string&) {
    std::vector<std::string> out;
    for (const std::uint64_t info : {1U, 2U, 3U, 0x1001U, 0x1006U}) {
        for (const bool big_endian : {false, true}) out.push_back(begin_of(info, big_endian));
    }
    return out;
}

std::vector<std::string> stream_words() {
    const std::string little = begin_of(2, false);
    const std::string big = begin_of(2, true);
    return {little.substr(8, 8), big.substr(8, 8)};
}

}  // namespace zrepd::fuzz
