// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/pump.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include "tests/fakes/task_test.hpp"

namespace zrepd::stream {
namespace {

using Clock = std::chrono::steady_clock;

struct Ends {
    Fd near;  ///< the pump's
    Fd far;   ///< the test's
};

enum class Kind { pipe, socket };

Ends make_ends(Kind kind, bool pump_reads) {
    if (kind == Kind::pipe) {
        auto pipe = make_pipe();
        if (pump_reads) return {std::move(pipe->read), std::move(pipe->write)};
        return {std::move(pipe->write), std::move(pipe->read)};
    }
    int both[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both), 0);
    return {Fd(both[0]), Fd(both[1])};
}

std::string pattern(std::size_t bytes) {
    std::string out(bytes, '\0');
    std::uint32_t state = 1;
    for (char& c : out) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return out;
}

/// Writes all and closes; ends early when nobody reads.
void feed(Fd to, const std::string& data, std::size_t piece) {
    for (std::size_t at = 0; at < data.size();) {
        const ssize_t n = ::write(to.get(), data.data() + at, std::min(piece, data.size() - at));
        if (n <= 0) return;
        at += static_cast<std::size_t>(n);
    }
}

std::string drain(const Fd& from) {
    std::string out;
    std::array<char, 1 << 16> chunk;
    while (true) {
        const ssize_t n = ::read(from.get(), chunk.data(), chunk.size());
        if (n <= 0) return out;
        out.append(chunk.data(), static_cast<std::size_t>(n));
    }
}

class Pump : public test::TaskTest {
  protected:
    Task<> pump_into(Fd in, Fd out, PumpOptions options) {
        Task<Result<std::uint64_t>> work = pump(std::move(in), std::move(out), std::move(options));
        result = co_await std::move(work);
    }
    void carries(Kind in, Kind out, std::size_t bytes, std::size_t piece) {
        const std::string data = pattern(bytes);
        Ends source = make_ends(in, /*pump_reads=*/true);
        Ends sink = make_ends(out, /*pump_reads=*/false);
        std::string got;
        std::thread writer([&] { feed(std::move(source.far), data, piece); });
        std::thread reader([&] { got = drain(sink.far); });
        run(pump_into(std::move(source.near), std::move(sink.near), {}));
        writer.join();
        reader.join();
        ASSERT_TRUE(result);
        EXPECT_EQ(*result, data.size());
        EXPECT_TRUE(got == data) << "got " << got.size() << " bytes, or other ones";
    }

    Result<std::uint64_t> result = Error{.message = "not run"};
};

constexpr std::size_t kMuch = std::size_t{40} << 20;

TEST_F(Pump, CarriesEveryByteBetweenPipes) {
    carries(Kind::pipe, Kind::pipe, kMuch, 1 << 17);
}
TEST_F(Pump, CarriesEveryByteFromPipeToSocket) {
    carries(Kind::pipe, Kind::socket, kMuch, 1 << 17);
}
TEST_F(Pump, CarriesEveryByteFromSocketToPipe) {
    carries(Kind::socket, Kind::pipe, kMuch, 1 << 17);
}
TEST_F(Pump, CarriesEveryByteBetweenSockets) {
    carries(Kind::socket, Kind::socket, kMuch, 1 << 17);
}
TEST_F(Pump, CarriesOddPieces) {
    carries(Kind::pipe, Kind::pipe, (1 << 20) + 17, 313);
}
TEST_F(Pump, CarriesAnEmptyStream) {
    carries(Kind::pipe, Kind::pipe, 0, 1);
}

TEST_F(Pump, LeavesTheOtherDirectionOfASocketOpen) {
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::socket, /*pump_reads=*/false);
    auto keep = sink.near.duplicate();
    ASSERT_TRUE(keep);
    source.far.reset();
    run(pump_into(std::move(source.near), std::move(sink.near), {}));
    ASSERT_TRUE(result);
    EXPECT_EQ(drain(sink.far), "");
    ASSERT_EQ(::write(sink.far.get(), "ack", 3), 3);
    std::array<char, 4> answer{};
    EXPECT_EQ(::read(keep->get(), answer.data(), answer.size()), 3);
}

TEST_F(Pump, KeepsToItsLimit) {
    constexpr std::size_t kRate = std::size_t{4} << 20;
    const std::string data = pattern(2 * kRate);
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    std::thread writer([&] { feed(std::move(source.far), data, 1 << 16); });
    std::thread reader([&] { drain(sink.far); });
    const auto begin = Clock::now();
    run(pump_into(std::move(source.near), std::move(sink.near), {.limit_bytes_per_second = kRate}));
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    writer.join();
    reader.join();
    ASSERT_TRUE(result);
    EXPECT_GT(seconds, 2 * 0.85);
    EXPECT_LT(seconds, 2 * 1.15);
}

TEST_F(Pump, SaysStalledWhenTheSourceIsSilent) {
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    run(pump_into(
        std::move(source.near), std::move(sink.near), {.stall_timeout = std::chrono::seconds(1)}));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::stalled);
    EXPECT_NE(result.error().message.find("sending side"), std::string::npos);
}

TEST_F(Pump, SaysStalledWhenNobodyReads) {
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    const std::string data = pattern(8 << 20);
    std::thread writer([&] { feed(std::move(source.far), data, 1 << 16); });
    run(pump_into(
        std::move(source.near), std::move(sink.near), {.stall_timeout = std::chrono::seconds(1)}));
    writer.join();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::stalled);
    EXPECT_NE(result.error().message.find("receiving side"), std::string::npos);
}

TEST_F(Pump, SaysIoErrorWhenTheReaderIsGone) {
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    sink.far.reset();
    ASSERT_EQ(::write(source.far.get(), "x", 1), 1);
    run(pump_into(std::move(source.near), std::move(sink.near), {}));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::io_error);
    EXPECT_EQ(result.error().sys_errno, EPIPE);
}

TEST_F(Pump, EndsOnCancelAndClosesBothEnds) {
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    TaskGroup tasks(io.get_executor());
    tasks.spawn("pump", pump_into(std::move(source.near), std::move(sink.near), {}));
    io.run_for(std::chrono::milliseconds(20));
    tasks.cancel();
    run(tasks.join());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::cancelled);
    EXPECT_EQ(drain(sink.far), "");
    EXPECT_EQ(::write(source.far.get(), "x", 1), -1);
}

TEST_F(Pump, ReportsProgressAtMostTwiceASecondAndTheTotalAtTheEnd) {
    constexpr std::size_t kRate = std::size_t{4} << 20;
    const std::string data = pattern(kRate + kRate / 4);
    Ends source = make_ends(Kind::pipe, /*pump_reads=*/true);
    Ends sink = make_ends(Kind::pipe, /*pump_reads=*/false);
    std::vector<std::uint64_t> reports;
    std::thread writer([&] { feed(std::move(source.far), data, 1 << 16); });
    std::thread reader([&] { drain(sink.far); });
    run(pump_into(std::move(source.near),
                  std::move(sink.near),
                  {.limit_bytes_per_second = kRate,
                   .on_progress = [&](std::uint64_t bytes) { reports.push_back(bytes); }}));
    writer.join();
    reader.join();
    ASSERT_GE(reports.size(), 2U);
    EXPECT_LE(reports.size(), 4U);
    EXPECT_EQ(reports.back(), data.size());
}

}  // namespace
}  // namespace zrepd::stream
