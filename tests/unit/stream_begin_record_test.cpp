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

constexpr std::uint64_t kFeatures = std::uint64_t{0x401} << 2;
constexpr std::uint64_t kBase = 0x1122334455667788;

/// A begin record, as zfs writes it in the byte order of its host.
struct Begin {
    std::uint64_t version_info = 1 | kFeatures;
    std::uint32_t flags = 4;
    std::uint64_t base = 0;
    std::uint64_t magic = 0x2F5bacbac;

    std::string text(bool swapped = false) const {
        std::string out(8, '\0');  // type, payload length
        const auto put = [&](auto value) {
            const auto* bytes = reinterpret_cast<const char*>(&value);
            std::string part(bytes, sizeof value);
            if (swapped) std::reverse(part.begin(), part.end());
            out += part;
        };
        put(magic);
        put(version_info);
        put(std::uint64_t{1'700'000'000});  // when it was made
        put(std::uint32_t{2});              // a filesystem
        put(flags);
        put(std::uint64_t{99});  // its own guid
        put(base);
        return out + "tank/a@zrep_000001";
    }
};

TEST(BeginRecord, LetsInWhatWasAgreedOnAlone) {
    const Guid none;
    const Guid base{kBase};
    struct Case {
        const char* what;
        Begin begin;
        std::optional<Guid> wanted;
        const char* refused;  ///< what it says; nullptr: let in
    };
    const std::vector<Case> cases{
        {"full", {}, none, nullptr},
        {"full, of an old zfs", {.version_info = 1}, none, nullptr},
        {"incremental", {.base = kBase}, base, nullptr},
        {"resumed, full", {}, std::nullopt, nullptr},
        {"resumed, incremental", {.base = kBase}, std::nullopt, nullptr},
        {"package", {.version_info = 2}, none, "package"},
        {"package with features", {.version_info = 2 | kFeatures}, none, "package"},
        {"taken by zfs for a package", {.version_info = 3 | kFeatures}, none, "package"},
        {"and this", {.version_info = 0 | kFeatures}, none, "package"},
        {"clone", {.flags = 5, .base = kBase}, none, "clone"},
        {"clone of the base", {.flags = 1, .base = kBase}, base, "clone"},
        {"clone, resumed", {.flags = 1, .base = kBase}, std::nullopt, "clone"},
        {"clone of nothing", {.flags = 1}, none, "clone"},
        {"incremental for full", {.base = kBase}, none, "agreed on"},
        {"full for incremental", {}, base, "agreed on"},
        {"other base", {.base = kBase + 1}, base, "agreed on"},
        {"no zfs stream", {.magic = 7}, none, "not one of zfs"},
        {"no zfs stream, resumed", {.magic = 7}, std::nullopt, "not one of zfs"},
    };
    for (const Case& c : cases) {
        for (const bool swapped : {false, true}) {
            const auto checked = check_begin(c.begin.text(swapped), c.wanted);
            EXPECT_EQ(checked.has_value(), c.refused == nullptr) << c.what << swapped;
            if (checked || c.refused == nullptr) continue;
            EXPECT_EQ(checked.error().code, Code::refused) << c.what;
            EXPECT_NE(checked.error().message.find(c.refused), std::string::npos) << c.what;
        }
    }
}

TEST(BeginRecord, LetsInNoPartOfABeginning) {
    const std::string begin = Begin().text();
    for (std::size_t size = 0; size < kBeginBytes; ++size) {
        const auto checked = check_begin(begin.substr(0, size), Guid());
        ASSERT_FALSE(checked) << size;
        EXPECT_EQ(checked.error().code, Code::io_error) << size;
    }
    EXPECT_TRUE(check_begin(begin.substr(0, kBeginBytes), Guid()));
    EXPECT_FALSE(check_begin("this is no stream at all", Guid()));
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
    Result<std::string> look(std::chrono::milliseconds limit = std::chrono::seconds(30)) {
        return test::run_task(io, look_at_begin(in.get(), Guid(), limit));
    }
    /// All that is left, which has to be all that was written but for what was handed back.
    std::string rest() {
        std::string got(4096, '\0');
        const auto count = ::read(in.get(), got.data(), got.size());
        got.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
        return got;
    }
    const std::string package = Begin{.version_info = 2}.text();
    const std::string full = Begin().text();
    asio::io_context io{1};
    Fd in;
    Fd out;
};

TEST_P(Peeked, RefusesAPackage) {
    write(package + "payload");
    const auto looked = look();
    ASSERT_FALSE(looked);
    EXPECT_EQ(looked.error().code, Code::refused);
}

TEST_P(Peeked, LosesNothingOfAStream) {
    write(full + "payload");
    const auto looked = look();
    ASSERT_TRUE(looked);
    EXPECT_EQ(*looked + rest(), full + "payload");
}

TEST_P(Peeked, WaitsForTheRestOfTheBeginning) {
    write(package.substr(0, 10));
    asio::steady_timer later(io, std::chrono::milliseconds(50));
    later.async_wait([&](boost::system::error_code) { write(package.substr(10)); });
    const auto looked = look();
    ASSERT_FALSE(looked);
    EXPECT_EQ(looked.error().code, Code::refused);
}

TEST_P(Peeked, LetsInNoEndWithoutABeginning) {
    out.reset();
    const auto looked = look();
    ASSERT_FALSE(looked);
    EXPECT_NE(looked.error().message.find("before it began"), std::string::npos);
}

TEST_P(Peeked, LetsInNothingThatItDidNotSee) {
    write(full.substr(0, kBeginBytes - 1));
    out.reset();
    EXPECT_FALSE(look());
}

TEST_P(Peeked, TakesAnErrorForNoBeginning) {
    write(full);
    in.reset();
    EXPECT_FALSE(look()) << "what could not be looked at was not checked";
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
