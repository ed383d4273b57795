// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

constexpr Harness kAll[] = {
    {"control", fuzz_control, control_seeds, control_words},
    {"peer", fuzz_peer, peer_seeds, peer_words},
    {"zfs_list", fuzz_zfs_list, zfs_list_seeds, zfs_list_words},
    {"zfs_words", fuzz_zfs_words, zfs_words_seeds, zfs_words_words},
    {"config", fuzz_config, config_seeds, config_words},
    {"settings", fuzz_settings, settings_seeds, settings_words},
    {"stream", fuzz_stream, stream_seeds, stream_words},
    {"http", fuzz_http, http_seeds, http_words},
    {"records", fuzz_records, records_seeds, records_words},
};

}  // namespace

std::span<const Harness> harnesses() {
    return kAll;
}

}  // namespace zrepd::fuzz
