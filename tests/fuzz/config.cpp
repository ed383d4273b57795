// SPDX-License-Identifier: BSD-2-Clause
// zrepd.conf, read as the daemon reads it.
#include "daemon/config/config.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "common/text.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

/// A file in memory that every call writes anew.
const std::string& settings_file(std::string_view text) {
    static const int fd = ::memfd_create("zrepd.conf", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const bool written = ::ftruncate(fd, 0) == 0 && ::pwrite(fd, text.data(), text.size(), 0) ==
                                                        static_cast<ssize_t>(text.size());
    expect(written, "the file can be written");
    return path;
}

void check_accepted(const config::Config& c) {
    using std::chrono::seconds;
    expect(c.streams >= 1 && c.streams <= 8, "streams is in its limits");
    expect(c.stall_timeout >= seconds(5), "stall-timeout is in its limits");
    expect(c.hook_timeout >= seconds(1) && c.hook_timeout <= seconds(3600),
           "hook-timeout is in its limits");
    expect(c.lease_time >= seconds(5) && c.lease_time <= seconds(600),
           "lease-time is in its limits");
    expect(c.host.str() != "localhost", "no host of a pair is called localhost");
    expect_no_option(c.host.str());
    if (!c.ssh_user.empty()) expect_no_option(c.ssh_user);
    for (const std::string& path : {c.runtime_dir.string(), c.hooks_dir.string()}) {
        expect(path.starts_with('/'), "a folder is an absolute path", path);
    }
    for (const std::string& path : {c.ssh_config.string(), c.witness, c.metrics_file.string()}) {
        expect(path.empty() || path.front() == '/', "a path is absolute", path);
    }
    if (!c.metrics_listen) return;
    const auto again = config::ListenAddress::parse(c.metrics_listen->text());
    expect(again && again->text() == c.metrics_listen->text(), "an address is read as written");
}

}  // namespace

int fuzz_config(const std::uint8_t* data, std::size_t size) {
    const auto read = config::read({"--config", settings_file(as_text(data, size))}, "alpha");
    if (read) {
        check_accepted(read->config);
    } else {
        expect_error(read.error());
        expect(!read.error().context.empty(), "an error names the line", read.error().text());
    }
    return 0;
}

std::vector<std::string> config_seeds(const std::string&) {
    return {
        "# a comment\nstreams = 4\nlog-level=debug\n",
        "host-name = beta.example.org\nstall-timeout = 60s\nssh-user = zrep\n",
        "runtime-dir = /run/zrepd\nhooks-dir = /etc\nhook-timeout = 5m\nssh-config = /dev/null\n",
        "lease-time = 20s\nwitness = /mnt/witness\n",
        "metrics-listen = [::1]:9820\nmetrics-file = /var/lib/x/zrepd.prom\n",
        "metrics-listen = /run/zrepd/m.sock\n",
        "[section]\nstreams = 1\n",
        "streams = 1\nstreams = 2\n",
        "streams\n",
        "nonsense = 1\n"};
}

std::vector<std::string> config_words() {
    return {"runtime-dir", "log-level",      "host-name",    "streams",      "stall-timeout",
            "ssh-config",  "ssh-user",       "hooks-dir",    "hook-timeout", "lease-time",
            "witness",     "metrics-listen", "metrics-file", "critical",     "localhost",
            "127.0.0.1:",  "[::1]:",         ".prom",        " = ",          "#",
            "\xe2\x80\xae"};
}

}  // namespace zrepd::fuzz
