// SPDX-License-Identifier: BSD-2-Clause
// What the fuzzers begin with. Each is made from what the program reads by: the method table, the
// fields of a message, captured output of zfs, its own writers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/rpc/fields.hpp"
#include "tests/fuzz/harness.hpp"

namespace zrepd::fuzz {

std::vector<std::string> control_seeds(const std::string& data);
std::vector<std::string> peer_seeds(const std::string& data);
std::vector<std::string> zfs_list_seeds(const std::string& data);
std::vector<std::string> zfs_words_seeds(const std::string& data);
std::vector<std::string> config_seeds(const std::string& data);
std::vector<std::string> settings_seeds(const std::string& data);
std::vector<std::string> stream_seeds(const std::string& data);
std::vector<std::string> http_seeds(const std::string& data);
std::vector<std::string> records_seeds(const std::string& data);

std::vector<std::string> control_words();
std::vector<std::string> peer_words();
std::vector<std::string> zfs_list_words();
std::vector<std::string> zfs_words_words();
std::vector<std::string> config_words();
std::vector<std::string> settings_words();
std::vector<std::string> stream_words();
std::vector<std::string> http_words();
std::vector<std::string> records_words();

/// A request's line, newline included; `params` is JSON.
inline std::string request_of(const std::string& method, const std::string& params) {
    return R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}\n";
}

inline std::vector<std::string> message_words() {
    return {R"("jsonrpc":"2.0")",
            R"("id":1)",
            R"("method":)",
            R"("params":{)",
            R"("result":{)",
            R"("error":{"code":1,"message":"m","data":{"kind":"busy"}})",
            "true",
            "18446744073709551616",
            R"("18446744073709551615")",
            "-1",
            "1e9"};
}

/// Visits the fields of a message and puts something into each, so that a new field is in the seeds
/// without an edit.
struct Filler {
    template <class T>
    void operator()(const char*, T& value, const char*) {
        fill(value);
    }
    template <class T>
    void optional(const char*, T& value, const char*) {
        fill(value);
    }
    template <class T>
    static void fill(T& value) {
        if constexpr (rpc::is_optional<T>::value) {
            fill(value.emplace());
        } else if constexpr (rpc::is_vector<T>::value) {
            fill(value.emplace_back());
        } else if constexpr (std::is_same_v<T, std::string>) {
            value = "tank/fs";
        } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
            value = {{"zrep:savecount", "5"}};
        } else if constexpr (std::is_same_v<T, rpc::U64> || std::is_same_v<T, Guid>) {
            value.value = 7;
        } else if constexpr (std::is_same_v<T, Json>) {
            value = Json::object();
        } else if constexpr (std::is_arithmetic_v<T>) {
            value = static_cast<T>(1);
        } else {
            Filler inner;
            T::fields(value, inner);
        }
    }
};

template <class T>
T filled() {
    T out{};
    Filler::fill(out);
    return out;
}

}  // namespace zrepd::fuzz
