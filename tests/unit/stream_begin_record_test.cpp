// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "daemon/async/fd.hpp"
#include "daemon/stream/begin_record.hpp"
#include "tests/fakes/run_task.hpp"

namespace zrepd::stream {
namespace {

/// As zfs writes it: type, payload length, magic, version information.
std::string begin(std::uint64_t version_info,
                  bool swapped = false,
                  std::uint64_t magic = 0x2F5bacbac) {
    std::string out(8, '\0');
    for (std::uint64_t value : {magic, version_info}) {
        if (swapped) value = __builtin_bswap64(value);
        out.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    return out;
}
constexpr std::uint64_t kFeatures = std::uint64_t{0x401} << 2;

TEST(BeginRecord, TellsAPackageFromAStream) {
    EXPECT_TRUE(is_package(begin(2)));
    EXPECT_TRUE(is_package(begin(2 | kFeatures)));
    EXPECT_TRUE(is_package(begin(2 | kFeatures, /*swapped=*/true)));
    EXPECT_FALSE(is_package(begin(1 | kFeatures)));
    EXPECT_FALSE(is_package(begin(1 | kFeatures, /*swapped=*/true)));
    EXPECT_FALSE(is_package(begin(2, false, /*magic=*/7)));
    EXPECT_FALSE(is_package(begin(2).substr(0, kBeginBytes - 1)));
    EXPECT_FALSE(is_package(""));
}

class Peeked : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override {
        if (!GetParam()) {
            auto pipe = make_pipe();
            in = std::move(pipe->read);
            out = std::move(pipe->write);
        } else {
            int ends[2];
            ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
            in.reset(ends[0]);
            out.reset(ends[1]);
        }
        set_nonblocking(in.get());
    }
    void write(const std::string& bytes) {
        ASSERT_EQ(::write(out.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
    }
    Result<void> look(std::chrono::milliseconds limit = std::chrono::seconds(30)) {
        return test::run_task(io, refuse_package(in.get(), limit));
    }
    /// All that is left, which has to be all that was written.
    std::string rest() {
        std::string got(4096, '\0');
        const auto count = ::read(in.get(), got.data(), got.size());
        got.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
        return got;
    }
    asio::io_context io{1};
    Fd in;
    Fd out;
};

TEST_P(Peeked, RefusesAPackageAndTakesNothing) {
    write(begin(2) + "payload");
    const auto looked = look();
    ASSERT_FALSE(looked);
    EXPECT_EQ(looked.error().code, Code::refused);
    EXPECT_EQ(rest(), begin(2) + "payload");
}

TEST_P(Peeked, LeavesAStreamAsItIs) {
    write(begin(1) + "payload");
    EXPECT_TRUE(look());
    EXPECT_EQ(rest(), begin(1) + "payload");
}

TEST_P(Peeked, WaitsForTheRestOfTheBeginning) {
    write(begin(2).substr(0, 10));
    asio::steady_timer later(io, std::chrono::milliseconds(50));
    later.async_wait([&](boost::system::error_code) { write(begin(2).substr(10)); });
    EXPECT_FALSE(look());
}

TEST_P(Peeked, LeavesAnEarlyEndToTheReader) {
    write(begin(1).substr(0, 10));
    out.reset();
    EXPECT_TRUE(look());
    EXPECT_EQ(rest(), begin(1).substr(0, 10));
}

TEST_P(Peeked, DoesNotWaitForEver) {
    const auto looked = look(std::chrono::milliseconds(30));
    ASSERT_FALSE(looked);
    EXPECT_EQ(looked.error().code, Code::stalled);
}

INSTANTIATE_TEST_SUITE_P(Of, Peeked, ::testing::Bool(), [](const auto& kind) {
    return kind.param ? "Socket" : "Pipe";
});

}  // namespace
}  // namespace zrepd::stream
