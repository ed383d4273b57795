// SPDX-License-Identifier: BSD-2-Clause
// One description per struct drives decoding, encoding and schema. A struct of the wire has
//
//     template <class Self, class V> static void fields(Self& self, V& v) {
//         v("key", self.member, "what it means");
//     }
//
// Decoding is strict for requests (unknown key, null or wrong type: invalid_params with the JSON
// path) and lenient for replies (unknown keys ignored, so that an older client keeps working).
// A member of type std::optional<T>, or one listed through v.optional(), may be absent.
// Pure; no exceptions cross this file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/ids.hpp"
#include "common/json.hpp"
#include "common/text.hpp"

namespace zrepd::rpc {

/// A u64 that travels as a decimal string, because JSON numbers above 2^53 are rounded by others.
struct U64 {
    std::uint64_t value = 0;
    bool operator==(const U64&) const = default;
};

enum class Strictness { request, reply };

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

template <class T>
Json encode(const T& value);
template <class T>
Result<void> decode(const Json& json, T& into, Strictness strictness, const std::string& path);
template <class T>
Json schema();

namespace detail {

inline Error wrong(const std::string& path, const std::string& wanted) {
    return Error{.code = Code::invalid_params,
                 .message = (path.empty() ? std::string("params") : path) + ": " + wanted};
}

/// A key as it came from outside, fit for a message: anything but a plain word is quoted.
inline std::string shown_key(const std::string& key) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:";
    const bool plain = key.size() <= 100 && key.find_first_not_of(kPlain) == key.npos;
    return plain && !key.empty() ? key : quote(key);
}

class Encoder {
  public:
    template <class T>
    void operator()(const char* key, const T& value, const char*) {
        if constexpr (is_optional<T>::value) {
            if (value) out[key] = encode(*value);
        } else {
            out[key] = encode(value);
        }
    }
    template <class T>
    void optional(const char* key, const T& value, const char* doc) {
        (*this)(key, value, doc);
    }
    Json out = Json::object();
};

class Decoder {
  public:
    Decoder(const Json& json, Strictness strictness, std::string path)
        : json_(json), strictness_(strictness), path_(std::move(path)) {}

    template <class T>
    void operator()(const char* key, T& value, const char*) {
        take(key, value, /*required=*/!is_optional<T>::value);
    }
    template <class T>
    void optional(const char* key, T& value, const char*) {
        take(key, value, /*required=*/false);
    }
    Result<void> finish() const {
        if (error_) return *error_;
        if (strictness_ == Strictness::request && known_ != json_.size()) return unknown_key();
        return ok();
    }

  private:
    std::string at(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
    template <class T>
    void take(const char* key, T& value, bool required) {
        keys_.emplace_back(key);
        const auto found = json_.find(key);
        if (found == json_.end()) {
            if (required && !error_) error_ = wrong(at(key), "is missing");
            return;
        }
        ++known_;
        if (error_) return;
        if constexpr (is_optional<T>::value) value.emplace();
        auto result = [&] {
            if constexpr (is_optional<T>::value) {
                return decode(*found, *value, strictness_, at(key));
            } else {
                return decode(*found, value, strictness_, at(key));
            }
        }();
        if (!result) error_ = result.error();
    }
    Error unknown_key() const {
        for (const auto& [key, ignored] : json_.items()) {
            if (std::find(keys_.begin(), keys_.end(), key) == keys_.end()) {
                return wrong(at(shown_key(key)), "unknown key");
            }
        }
        return wrong(path_, "unknown key");
    }

    const Json& json_;
    Strictness strictness_;
    std::string path_;
    std::size_t known_ = 0;
    std::vector<std::string> keys_;
    std::optional<Error> error_;
};

class Schema {
  public:
    template <class T>
    void operator()(const char* key, const T&, const char* doc) {
        if constexpr (is_optional<T>::value) {
            add<typename T::value_type>(key, doc);
        } else {
            add<T>(key, doc);
            required.push_back(key);
        }
    }
    template <class T>
    void optional(const char* key, const T&, const char* doc) {
        add<T>(key, doc);
    }
    Json properties = Json::object();
    Json required = Json::array();

  private:
    template <class T>
    void add(const char* key, const char* doc) {
        Json one = schema<T>();
        if (*doc != 0) one["description"] = doc;
        properties[key] = std::move(one);
    }
};

}  // namespace detail

template <class T>
Json encode(const T& value) {
    if constexpr (std::is_same_v<T, U64>) {
        return std::to_string(value.value);
    } else if constexpr (std::is_same_v<T, Guid>) {
        return value.str();
    } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string> ||
                         std::is_same_v<T, Json>) {
        return value;
    } else if constexpr (is_vector<T>::value) {
        Json out = Json::array();
        for (const auto& item : value) out.push_back(encode(item));
        return out;
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
        Json out = Json::object();
        for (const auto& [key, item] : value) out[key] = item;
        return out;
    } else {
        detail::Encoder encoder;
        T::fields(value, encoder);
        return std::move(encoder.out);
    }
}

template <class T>
Result<void> decode(const Json& json, T& into, Strictness strictness, const std::string& path) {
    using detail::wrong;
    if constexpr (std::is_same_v<T, bool>) {
        if (!json.is_boolean()) return wrong(path, "must be true or false");
        into = json.template get<bool>();
    } else if constexpr (std::is_same_v<T, U64> || std::is_same_v<T, Guid>) {
        const auto* text = json.template get_ptr<const std::string*>();
        const auto guid = text == nullptr ? std::nullopt : Guid::parse(*text);
        if (!guid) return wrong(path, "must be a decimal number in a string");
        into.value = guid->value;
    } else if constexpr (std::is_integral_v<T>) {
        // get<>() would wrap silently, so the range is checked on the widest type first.
        if (!json.is_number_integer()) return wrong(path, "must be a whole number");
        const bool fits = json.is_number_unsigned()
                              ? std::in_range<T>(json.template get<std::uint64_t>())
                              : std::in_range<T>(json.template get<std::int64_t>());
        if (!fits) return wrong(path, "is out of range");
        into = json.template get<T>();
    } else if constexpr (std::is_floating_point_v<T>) {
        if (!json.is_number()) return wrong(path, "must be a number");
        into = json.template get<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        const auto* text = json.template get_ptr<const std::string*>();
        if (text == nullptr) return wrong(path, "must be a string");
        into = *text;
    } else if constexpr (std::is_same_v<T, Json>) {
        into = json;
    } else if constexpr (is_vector<T>::value) {
        if (!json.is_array()) return wrong(path, "must be a list");
        into.clear();
        for (std::size_t i = 0; i < json.size(); ++i) {
            auto one = decode(
                json[i], into.emplace_back(), strictness, path + "[" + std::to_string(i) + "]");
            if (!one) return one;
        }
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
        if (!json.is_object()) return wrong(path, "must be an object");
        for (const auto& [key, item] : json.items()) {
            const auto* text = item.template get_ptr<const std::string*>();
            if (text == nullptr)
                return wrong(path + "." + detail::shown_key(key), "must be a string");
            into[key] = *text;
        }
    } else {
        if (!json.is_object()) return wrong(path, "must be an object");
        detail::Decoder decoder(json, strictness, path);
        T::fields(into, decoder);
        return decoder.finish();
    }
    return ok();
}

template <class T>
Json schema() {
    if constexpr (std::is_same_v<T, bool>) {
        return {{"type", "boolean"}};
    } else if constexpr (std::is_same_v<T, U64> || std::is_same_v<T, Guid>) {
        return {{"type", "string"}, {"pattern", "^[0-9]{1,20}$"}};
    } else if constexpr (std::is_integral_v<T>) {
        return {{"type", "integer"}};
    } else if constexpr (std::is_floating_point_v<T>) {
        return {{"type", "number"}};
    } else if constexpr (std::is_same_v<T, std::string>) {
        return {{"type", "string"}};
    } else if constexpr (std::is_same_v<T, Json>) {
        return Json::object();
    } else if constexpr (is_vector<T>::value) {
        return {{"type", "array"}, {"items", schema<typename T::value_type>()}};
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
        return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    } else {
        detail::Schema visitor;
        T example{};
        T::fields(example, visitor);
        Json out = {{"type", "object"}, {"properties", std::move(visitor.properties)}};
        if (!visitor.required.empty()) out["required"] = std::move(visitor.required);
        return out;
    }
}

/// Decodes a whole request or reply object.
template <class T>
Result<T> decode_as(const Json& json, Strictness strictness) {
    T value{};
    auto result = decode(json, value, strictness, "");
    if (!result) return result.error();
    return value;
}

}  // namespace zrepd::rpc
