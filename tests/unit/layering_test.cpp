// SPDX-License-Identifier: BSD-2-Clause
// Who may include whom. Reads the sources of the tree itself and names file and line of what
// breaks the order: common ← decisions ← {zfs, stream, peer, lock} ← {sync, sched, control} ← app.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace zrepd {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = ZREPD_SOURCE_DIR;

struct Line {
    std::string file;  ///< from the root of the tree, "daemon/plan/plan.cpp"
    std::size_t number = 0;
    std::string text;
    std::string included;  ///< of an #include line, without quotes or brackets

    std::string place() const { return file + ":" + std::to_string(number) + ": " + text; }
};

std::string included_by(const std::string& line) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == line.npos || line[first] != '#') return "";
    static const std::regex kInclude(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
    std::smatch match;
    return std::regex_search(line, match, kInclude) ? match[1].str() : "";
}

/// Every line of every source below `folder`, comments cut off.
std::vector<Line> lines_of(const std::string& folder) {
    std::vector<Line> out;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
        const std::string kind = entry.path().extension();
        if (kind != ".cpp" && kind != ".hpp") continue;
        std::ifstream in(entry.path());
        std::string text;
        for (std::size_t number = 1; std::getline(in, text); ++number) {
            const std::string code = text.substr(0, text.find("//"));
            out.push_back(
                {fs::relative(entry.path(), kRoot).string(), number, code, included_by(code)});
        }
    }
    return out;
}

bool is_asio_or_log(const std::string& header) {
    return header.starts_with("boost/asio") || header.starts_with("spdlog");
}

/// Files that only decide: values in, values out.
bool is_pure(const std::string& file) {
    const auto begins = [&file](const char* prefix) { return file.starts_with(prefix); };
    return begins("daemon/plan/") || begins("daemon/sched/due.") ||
           begins("daemon/peer/absence.") || begins("daemon/failover/fsm.") ||
           begins("daemon/zfs/command.") || begins("daemon/zfs/parse") ||
           begins("daemon/zfs/model.") || begins("daemon/failover/fsm.") ||
           begins("daemon/failover/journal.") || begins("daemon/failover/changes.") ||
           begins("daemon/failover/rescue_plan.") || begins("daemon/failover/fence.") ||
           begins("daemon/failover/lease.") || begins("daemon/failover/witness.") ||
           begins("daemon/metrics/text.") || begins("daemon/metrics/counters.") ||
           begins("daemon/metrics/families.") || begins("daemon/metrics/samples.") ||
           begins("daemon/metrics/http_reply.") || begins("daemon/zfs/zfs_spec.") ||
           file.find("_program.") != std::string::npos;
}

/// Height of a daemon file or header; 0: what everything may use.
int rank_of(const std::string& file) {
    static const std::map<std::string, int> kFolders{{"async", 0},
                                                     {"config", 0},
                                                     {"zfs", 2},
                                                     {"stream", 2},
                                                     {"peer", 2},
                                                     {"lock", 2},
                                                     {"sync", 3},
                                                     {"sched", 3},
                                                     {"failover", 3},
                                                     {"metrics", 3},
                                                     {"control", 3}};
    if (is_pure(file)) return 1;
    const std::string rest = file.substr(std::string("daemon/").size());
    if (rest.starts_with("log.") || rest.starts_with("clock.")) return 0;
    const std::size_t slash = rest.find('/');
    if (slash == rest.npos) return 4;  // app, service, main
    const auto found = kFolders.find(rest.substr(0, slash));
    return found == kFolders.end() ? -1 : found->second;
}

TEST(Layering, ReadsTheWholeTree) {
    EXPECT_GT(lines_of("common").size(), 500u);
    EXPECT_GT(lines_of("daemon").size(), 1000u);
    EXPECT_EQ(included_by("#include \"daemon/log.hpp\""), "daemon/log.hpp");
    EXPECT_EQ(included_by("  # include <boost/asio.hpp>"), "boost/asio.hpp");
}

TEST(Layering, CommonKnowsNeitherDaemonNorClientNorAsioNorLog) {
    for (const Line& line : lines_of("common")) {
        const std::string& header = line.included;
        EXPECT_FALSE(header.starts_with("daemon/") || header.starts_with("ctl/") ||
                     is_asio_or_log(header))
            << line.place();
    }
}

TEST(Layering, DecisionsTouchNoFilesNoClockNoChanceNoAsioNoLog) {
    std::size_t seen = 0;
    for (const Line& line : lines_of("daemon")) {
        if (!is_pure(line.file)) continue;
        ++seen;
        const std::string& header = line.included;
        EXPECT_FALSE(is_asio_or_log(header) || header == "fstream" || header == "filesystem" ||
                     header == "random" || header == "iostream" || header == "unistd.h" ||
                     header == "daemon/log.hpp" || header == "daemon/clock.hpp" ||
                     header == "common/platform.hpp" || header.starts_with("daemon/async/"))
            << line.place();
        EXPECT_EQ(line.text.find("::now("), std::string::npos) << line.place();
        EXPECT_EQ(line.text.find("unix_now("), std::string::npos) << line.place();
    }
    EXPECT_GT(seen, 300u) << "the pure files were renamed: teach is_pure() their names";
}

TEST(Layering, DecisionsIncludeOnlyDecisionsAndCommon) {
    for (const Line& line : lines_of("daemon")) {
        if (!is_pure(line.file) || !line.included.starts_with("daemon/")) continue;
        EXPECT_TRUE(is_pure(line.included)) << line.place();
    }
}

/// ZREPD_PORTABLE has to leave out all of it, and a system that lacks it should need one file.
TEST(Layering, WhatOneSystemAloneHasIsInThePlatformLayer) {
    static const std::regex kOfOneSystem(
        "__linux__|__sun\\b|ZREPD_(PORTABLE|LINUX|ILLUMOS)|<linux/|<ucred\\.h>|<sys/(timerfd|signalfd|eventfd|epoll|"
        "prctl|syscall|inotify|sendfile)\\.h>|\\b(pipe2|accept4|splice|memfd_create|signalfd|prctl|syscall|"
        "getpeerucred|getpeereid|tee|setns|unshare|pidfd_\\w+)\\(|SOCK_(CLOEXEC|NONBLOCK)|SPLICE_F_|"
        "POLLRDHUP|[^\\w]::clone\\(|SO_PEERCRED|F_[GS]ETPIPE_SZ|CLOCK_BOOTTIME|"
        "\"/proc/(self|sys|\")");
    std::set<std::string> files;
    for (const char* folder : {"common", "daemon", "ctl"}) {
        for (const Line& line : lines_of(folder)) {
            if (!std::regex_search(line.text, kOfOneSystem)) continue;
            files.insert(line.file);
            EXPECT_TRUE(line.file.starts_with("common/platform.")) << line.place();
        }
    }
    EXPECT_EQ(files.size(), 2U) << "the layer has other names: teach this test those";
}

TEST(Layering, ClientKnowsNothingOfTheDaemon) {
    for (const Line& line : lines_of("ctl")) {
        EXPECT_FALSE(line.included.starts_with("daemon/")) << line.place();
    }
}

TEST(Layering, DaemonFoldersIncludeOnlyWhatIsNotAboveThem) {
    for (const Line& line : lines_of("daemon")) {
        EXPECT_FALSE(line.included.starts_with("ctl/")) << line.place();
        ASSERT_GE(rank_of(line.file), 0) << line.file << ": give this folder a rank in rank_of()";
        if (!line.included.starts_with("daemon/")) continue;
        EXPECT_LE(rank_of(line.included), rank_of(line.file)) << line.place();
    }
}

TEST(Layering, NobodyDetachesOrAsksAShell) {
    static const std::regex kNever(R"(\bdetached\b|\bsystem\s*\(|\bpopen\s*\()");
    const auto suspicious = [](const std::string& text) {
        // Cheap first: a regular expression on every line of the tree takes seconds.
        return text.find("detached") != text.npos || text.find("system") != text.npos ||
               text.find("popen") != text.npos;
    };
    for (const char* folder : {"common", "ctl", "daemon"}) {
        for (const Line& line : lines_of(folder)) {
            EXPECT_FALSE(suspicious(line.text) && std::regex_search(line.text, kNever))
                << line.place();
        }
    }
}

TEST(Layering, OnlyTheJsonDoorParsesJson) {
    for (const char* folder : {"common", "ctl", "daemon"}) {
        for (const Line& line : lines_of(folder)) {
            if (line.file.starts_with("common/json.")) continue;
            EXPECT_NE(line.included, "nlohmann/json.hpp") << line.place();
            EXPECT_EQ(line.text.find("Json::parse("), std::string::npos) << line.place();
        }
    }
}

TEST(Layering, HeadersOutsideTheDaemonKnowNoAsio) {
    // The client and the messages wait by plain calls; a header would bring Asio into all of them.
    std::size_t seen = 0;
    for (const char* folder : {"common", "ctl"}) {
        for (const Line& line : lines_of(folder)) {
            if (!line.file.ends_with(".hpp")) continue;
            ++seen;
            EXPECT_FALSE(is_asio_or_log(line.included)) << line.place();
            EXPECT_NE(line.included, "daemon/async/task.hpp") << line.place();
        }
    }
    EXPECT_GT(seen, 500u);
}

TEST(Layering, OnlyHeadersThatSpeakJsonIncludeIt) {
    // Parsing nlohmann's header takes longer than most files of ours. The messages of common/rpc/
    // bring it to whoever speaks them; nobody else's interface needs it.
    static const std::set<std::string> kAllowed{"common/json_wide.hpp",
                                                "common/rpc/fields.hpp",
                                                "common/rpc/message.hpp",
                                                "ctl/render/json.hpp",
                                                "daemon/control/api_docs.hpp"};
    std::set<std::string> found;
    for (const char* folder : {"common", "ctl", "daemon"}) {
        for (const Line& line : lines_of(folder)) {
            if (!line.file.ends_with(".hpp") || line.included != "common/json.hpp") continue;
            EXPECT_TRUE(kAllowed.contains(line.file)) << line.place();
            found.insert(line.file);
        }
    }
    EXPECT_EQ(found, kAllowed) << "take out of the list what needs json no more";
}

TEST(Layering, EveryFileSaysItsLicence) {
    for (const char* folder : {"common", "ctl", "daemon", "tests"}) {
        for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
            const std::string kind = entry.path().extension();
            if (kind != ".cpp" && kind != ".hpp") continue;
            std::ifstream in(entry.path());
            std::string first;
            std::getline(in, first);
            EXPECT_EQ(first, "// SPDX-License-Identifier: BSD-2-Clause") << entry.path();
        }
    }
}

}  // namespace
}  // namespace zrepd
