// SPDX-License-Identifier: BSD-2-Clause
// usage: zrepd_fuzz_seeds TESTS-DATA FOLDER
// Writes each harness's seeds to FOLDER/NAME and its words to FOLDER/NAME.dict.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/harness.hpp"

namespace {

/// A line of a libFuzzer dictionary.
std::string dict_line(const std::string& word) {
    std::string out = "\"";
    for (const char c : word) {
        char hex[8];
        std::snprintf(hex, sizeof hex, "\\x%02X", static_cast<unsigned char>(c));
        out += hex;
    }
    return out + "\"\n";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const std::filesystem::path folder(argv[2]);
    for (const auto& harness : zrepd::fuzz::harnesses()) {
        const auto seeds = folder / harness.name;
        std::filesystem::create_directories(seeds);
        int number = 0;
        for (const std::string& seed : harness.seeds(argv[1])) {
            std::ofstream(seeds / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
        }
        std::ofstream words(folder / (std::string(harness.name) + ".dict"));
        for (const std::string& word : harness.words()) words << dict_line(word);
    }
    return 0;
}
