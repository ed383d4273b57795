// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/doctor.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "common/ids.hpp"
#include "common/platform.hpp"
#include "common/text.hpp"
#include "common/version.hpp"
#include "ctl/command.hpp"
#include "ctl/probe.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

namespace fs = std::filesystem;

// Each answers within a moment unless something hangs that is to be told.
constexpr std::chrono::milliseconds kProbeLimit{5'000};
// zrepd gives up on a silent host after 18 s.
constexpr std::chrono::seconds kPeersLimit{30};
constexpr const char* kDefaultSettings = "/etc/zrepd/zrepd.conf";

void doctor_options(boost::program_options::options_description&) {}

/// Whoever is named in the lock file and lives. The lock itself is not tried: that would keep a
/// zrepd that starts at this moment from having it.
std::optional<int> living_holder(const fs::path& lock_file) {
    std::string text;
    std::ifstream(lock_file) >> text;
    const auto pid = parse_u64(text);
    if (!pid || *pid == 0 || *pid > INT32_MAX) return std::nullopt;
    const int number = static_cast<int>(*pid);
    if (::kill(number, 0) != 0 && errno == ESRCH) return std::nullopt;
    // Where that can be seen: the number may be another program's by now.
    const std::string program = platform::program_of(number);
    if (!program.empty() && program != "zrepd") return std::nullopt;
    return number;
}

void look_at_runtime_dir(HostFacts& facts, const std::string& socket) {
    const fs::path dir = fs::path(socket).parent_path();
    facts.runtime_dir = dir.string();
    struct stat info = {};
    facts.dir_exists = ::stat(dir.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    facts.dir_safe = info.st_uid == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    facts.lock_pid = living_holder(dir / "zrepd.lock");
}

void ask_daemon(HostFacts& facts, Result<Client>& client) {
    Result<rpc::VersionOut> version = Error{};
    if (client)
        version = client->call_as<rpc::VersionOut>("daemon.version", rpc::Empty{});
    else
        version = client.error();
    if (!version) {
        facts.silence = version.error();
        return;
    }
    facts.zrepd = *version;
    auto status = client->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{});
    if (status) facts.status = std::move(*status);
}

void run_probes(HostFacts& facts) {
    std::vector<std::string> check{"zrepd", "--check-config"};
    // The default need not exist; one that was named has to.
    if (facts.settings_file != kDefaultSettings) {
        check.insert(check.end(), {"--config", facts.settings_file});
    }
    facts.settings = probe(check, kProbeLimit);
    facts.zfs = probe({"zfs", "version"}, kProbeLimit);
    facts.pools = probe({"zpool", "list", "-Hp", "-o", "name,health,capacity"}, kProbeLimit);
    facts.ssh = probe({"ssh", "-V"}, kProbeLimit);
}

/// The daemon answers within 5 s, also that it is not done yet: the same key again waits on.
Result<rpc::DoctorOut> ask_peers(Client& client, const std::vector<std::string>& hosts) {
    const auto began = std::chrono::steady_clock::now();
    rpc::DoctorIn in;
    in.hosts = hosts;
    in.request_key = "doctor-" + std::to_string(::getpid()) + "-" +
                     std::to_string(began.time_since_epoch().count());
    while (true) {
        auto out = client.call_as<rpc::DoctorOut>("doctor.run", in);
        if (out || out.error().code != Code::timed_out) return out;
        if (std::chrono::steady_clock::now() - began > kPeersLimit) return out;
    }
}

/// Other hosts are asked by the daemon alone: with its user, its keys and its names.
std::vector<Diagnosis> look_at_peers(const Result<rpc::DoctorOut>& asked) {
    std::vector<Diagnosis> out;
    if (!asked) {
        out.push_back({Diagnosis::State::fail,
                       "other hosts",
                       "they were not asked: " + asked.error().text(),
                       asked.error().remedy});
        return out;
    }
    for (const auto& peer : asked->peers) {
        for (auto& one : judge_peer(peer, *asked)) out.push_back(std::move(one));
    }
    return out;
}

void print(const Invocation& invocation, const std::vector<Diagnosis>& all) {
    if (!invocation.json) {
        for (const auto& one : all) std::puts(line_of(one).c_str());
        return;
    }
    Json checks = Json::array();
    for (const auto& one : all) {
        Json entry{{"state", name(one.state)}, {"check", one.check}, {"text", one.text}};
        if (!one.next.empty()) entry["next"] = one.next;
        checks.push_back(std::move(entry));
    }
    print_json({{"state", name(worst(all))}, {"checks", std::move(checks)}});
}

int run_doctor(const Invocation& invocation) {
    for (const auto& word : invocation.words) {
        if (const auto host = HostName::parse(word); !host)
            return usage_error(invocation, host.error());
    }
    HostFacts facts;
    facts.zrepctl_version = kBuildVersion;
    facts.settings_file = kDefaultSettings;
    facts.now = std::time(nullptr);
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    ask_daemon(facts, client);
    Result<rpc::DoctorOut> asked = Error{};
    if (facts.zrepd) asked = ask_peers(*client, invocation.words);
    if (asked) facts.settings_file = asked->config_file;
    look_at_runtime_dir(facts, invocation.socket);
    std::vector<Diagnosis> all;
    if (facts.zrepd && !invocation.words.empty()) {
        all.push_back(judge_daemon(facts));
    } else {
        run_probes(facts);
        all = judge_host(facts);
        if (asked) {
            for (auto& one : judge_zfs_version(*asked)) all.push_back(std::move(one));
            for (auto& one : judge_mounts(*asked)) all.push_back(std::move(one));
        }
    }
    if (facts.zrepd) {
        for (auto& one : look_at_peers(asked)) all.push_back(std::move(one));
    }
    print(invocation, all);
    return worst(all) == Diagnosis::State::fail ? kFailed : kDone;
}

}  // namespace

const Command kDoctor{
    "doctor",
    "",
    "[HOST...]",
    "Look for what keeps this host, or one of the others, from working",
    "A line for each check: ok, note, warn or fail, why, and what to do. Without HOST this host and\n"
    "the other side of each of its pairs: zrepd, its directory, settings and hooks, zfs and its\n"
    "known faults, the pools, ssh, the clock; there whether ssh gets through, zrepd answers and\n"
    "understands this one, both know each other by the same names, the clocks agree, and each pair\n"
    "is the same on both sides. With HOST only that one, which need not have a pair yet. Nothing is\n"
    "changed. A host that does not answer takes up to 18 s, several of them no longer.\n\n"
    "Exit status: 1 when a line says fail.\n\n"
    "Example:\n  zrepctl doctor\n  zrepctl doctor beta\n",
    0,
    64,
    doctor_options,
    run_doctor};

}  // namespace zrepd::ctl
