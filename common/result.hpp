// SPDX-License-Identifier: BSD-2-Clause
// Result<T>: a value or an Error. Use only the names std::expected has, so that it can take over.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <utility>

#include "common/error.hpp"

namespace zrepd {

/// Found by boost::system::result: value() on an error is a bug, so it throws.
[[noreturn]] inline void throw_exception_from_error(const Error& e, const boost::source_location&) {
    throw std::logic_error("value() of an error: " + e.text());
}

template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
    using Base = boost::system::result<T, Error>;

  public:
    // Two plain constructors: boost's own is ambiguous for types that convert from everything
    // (Json).
    Result(T value) : Base(boost::system::in_place_value, std::move(value)) {}
    Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

template <>
class [[nodiscard]] Result<void> : public boost::system::result<void, Error> {
    using Base = boost::system::result<void, Error>;

  public:
    Result() = default;
    Result(Error error) : Base(boost::system::in_place_error, std::move(error)) {}
};

/// The value of nothing, for `return ok();` in a Result<void> function.
inline Result<void> ok() {
    return {};
}

}  // namespace zrepd
