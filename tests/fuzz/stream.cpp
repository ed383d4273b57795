// SPDX-License-Identifier: BSD-2-Clause
// The beginning of a zfs stream, from which is told whether it is one that may be received.
#include <array>

#include "daemon/stream/begin_record.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

constexpr std::uint64_t kBase = 0x1122334455667788;

/// `size` bytes in either order, read one by one.
std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size, bool big_endian) {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[at + (big_endian ? i : size - 1 - i)]);
        out = out << 8U | byte;
    }
    return out;
}

/// The same decision from the format's description (dmu_replay_record), written another way.
bool good_by_description(std::string_view bytes) {
    if (bytes.size() < 16) return false;
    for (const bool big_endian : {false, true}) {
        if (number_at(bytes, 8, 8, big_endian) != 0x2F5bacbacULL) continue;
        return bytes.size() >= 56 && number_at(bytes, 16, 8, big_endian) % 4 == 1 &&
               number_at(bytes, 36, 4, big_endian) % 2 == 0 &&
               number_at(bytes, 48, 8, big_endian) == kBase;
    }
    return false;
}

void put(std::string& out, std::uint64_t value, unsigned size, bool big_endian) {
    for (unsigned i = 0; i < size; ++i) {
        const unsigned shift = 8 * (big_endian ? size - 1 - i : i);
        out.push_back(static_cast<char>(value >> shift & 0xffU));
    }
}

std::string begin_of(std::uint64_t info, bool big_endian, std::uint64_t flags = 4) {
    std::string out(8, '\0');
    for (const std::uint64_t value : {std::uint64_t{0x2F5bacbac}, info, std::uint64_t{7}})
        put(out, value, 8, big_endian);
    put(out, 2, 4, big_endian);
    put(out, flags, 4, big_endian);
    for (const std::uint64_t guid : {std::uint64_t{9}, kBase}) put(out, guid, 8, big_endian);
    return out;
}

}  // namespace

int fuzz_stream(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    const bool good = stream::check_begin(text, Guid{kBase}).has_value();
    expect(good == good_by_description(text), "what may be received is known", text);
    const std::string_view begin = text.substr(0, stream::kBeginBytes);
    expect(good == stream::check_begin(begin, Guid{kBase}).has_value(),
           "only the beginning counts",
           text);
    return 0;
}

std::vector<std::string> stream_seeds(const std::string&) {
    std::vector<std::string> out;
    for (const std::uint64_t info : {1U, 2U, 3U, 0x1001U, 0x1006U}) {
        for (const bool big_endian : {false, true}) out.push_back(begin_of(info, big_endian));
    }
    for (const bool big_endian : {false, true}) out.push_back(begin_of(1, big_endian, 1));
    return out;
}

std::vector<std::string> stream_words() {
    const std::string little = begin_of(2, false);
    const std::string big = begin_of(2, true);
    return {little.substr(8, 8), big.substr(8, 8)};
}

}  // namespace zrepd::fuzz
