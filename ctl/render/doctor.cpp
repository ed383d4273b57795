// SPDX-License-Identifier: BSD-2-Clause
// This host.
#include "ctl/render/doctor.hpp"

#include <algorithm>
#include <map>

#include "common/text.hpp"
#include "common/time.hpp"
#include "ctl/render/table.hpp"
#include "ctl/service_manager.hpp"

namespace zrepd::ctl {
namespace {

using State = Diagnosis::State;

// Before the first release: a clock that says so was never set.
constexpr std::int64_t kFirstPlausible = 1'735'689'600;  // 2025-01-01
// zfs becomes slow, and a received snapshot may no longer fit.
constexpr std::uint64_t kNearlyFull = 90;
constexpr std::size_t kNamed = 3;

Diagnosis ok(std::string check, std::string text) {
    return {State::ok, std::move(check), std::move(text), ""};
}
Diagnosis warn(std::string check, std::string text, std::string next) {
    return {State::warn, std::move(check), std::move(text), std::move(next)};
}
Diagnosis fail(std::string check, std::string text, std::string next) {
    return {State::fail, std::move(check), std::move(text), std::move(next)};
}

std::string first_line(std::string_view text) {
    text = trim(text);
    return std::string(text.substr(0, text.find('\n')));
}

/// Why a program that is there did not do what it was asked.
std::string trouble_of(const char* program, const Probe& probe) {
    if (!probe.in_time) return std::string(program) + " does not come to its end";
    const std::string said = first_line(probe.text);
    return said.empty() ? std::string(program) + " failed and says nothing" : said;
}

Diagnosis judge_runtime_dir(const HostFacts& facts) {
    const std::string check = "runtime directory";
    const std::string dir = quote(facts.runtime_dir);
    if (!facts.dir_exists) {
        const std::string start = service_manager::kStart;
        return warn(check, facts.runtime_dir + " is not there; zrepd makes it", start);
    }
    if (!facts.dir_safe) {
        return fail(check,
                    facts.runtime_dir +
                        " does not belong to root alone: another could put his own "
                        "sockets there",
                    "chown root " + dir + " && chmod 755 " + dir);
    }
    if (facts.lock_pid) {
        return ok(check, facts.runtime_dir + ", locked by pid " + std::to_string(*facts.lock_pid));
    }
    if (!facts.zrepd) return ok(check, facts.runtime_dir + ", not locked");
    return warn(check,
                facts.runtime_dir + "/zrepd.lock names no process that runs, and zrepd does",
                service_manager::kRestart);
}

Diagnosis judge_settings(const HostFacts& facts) {
    const std::string check = "settings and hooks";
    if (!facts.settings.found) {
        return warn(check,
                    "zrepd is not in the PATH, so nothing can be said of its settings",
                    "install zrepd, then: zrepd --check-config");
    }
    if (facts.settings.fine()) return ok(check, facts.settings_file + " and what it names");
    // "zrepd: WHAT" and, on the next line, "  next: REMEDY".
    std::string what = trouble_of("zrepd --check-config", facts.settings);
    if (what.starts_with("zrepd: ")) what.erase(0, 7);
    const std::size_t at = facts.settings.text.find("\n  next: ");
    return fail(check,
                std::move(what),
                at == std::string::npos ? "zrepd --check-config"
                                        : first_line(facts.settings.text.substr(at + 9)));
}

Diagnosis judge_zfs(const Probe& probe) {
    if (!probe.found) {
        return fail("zfs",
                    "neither zfs nor zpool is in the PATH that zrepd uses",
                    "install OpenZFS (Debian: apt install zfsutils-linux)");
    }
    if (!probe.fine()) return fail("zfs", trouble_of("zfs version", probe), "modprobe zfs");
    std::string tools;
    std::string module;
    for (const auto line : split(probe.text, '\n')) {
        if (line.starts_with("zfs-kmod-"))
            module = trim(line.substr(9));
        else if (line.starts_with("zfs-"))
            tools = trim(line.substr(4));
    }
    if (module.empty() || module == tools) return ok("zfs", "OpenZFS " + tools);
    return warn("zfs",
                "the tools are of OpenZFS " + tools + ", the kernel module is " + module,
                "reboot, so that the module of the tools is loaded");
}

Diagnosis judge_pool(std::string_view pool, std::string_view health, std::string_view capacity) {
    const std::string name(pool);
    const std::string next = "zpool status " + quote(name);
    const std::string is = name + " is " + std::string(health);
    if (health == "DEGRADED") return warn("pools", is, next);
    if (health != "ONLINE") return fail("pools", is, next);
    const auto percent = parse_u64(capacity);
    if (!percent || *percent < kNearlyFull) return ok("pools", is);
    return warn(
        "pools",
        is + ", and full to " + std::to_string(*percent) + " %",
        "zfs list -o space -r " + quote(name) + "; zrepctl expire all frees what is kept too long");
}

/// A line for each that is not well, one for the rest.
std::vector<Diagnosis> judge_pools(const Probe& probe) {
    if (!probe.found) return {};  // said of zfs already
    if (!probe.fine()) return {fail("pools", trouble_of("zpool list", probe), "zpool status")};
    std::vector<Diagnosis> out;
    std::vector<std::string> well;
    for (const auto line : split(trim(probe.text), '\n')) {
        const auto words = split(line, '\t');
        if (words.size() < 3) continue;
        Diagnosis one = judge_pool(words[0], words[1], words[2]);
        if (one.state == State::ok)
            well.emplace_back(words[0]);
        else
            out.push_back(std::move(one));
    }
    if (!well.empty()) {
        const char* are = well.size() == 1 ? " is ONLINE" : " are ONLINE";
        out.insert(out.begin(), ok("pools", join(well, ", ") + are));
    }
    if (out.empty()) out.push_back(warn("pools", "no pool is imported", "zpool import"));
    return out;
}

Diagnosis judge_ssh(const Probe& probe) {
    if (probe.fine()) return ok("ssh", first_line(probe.text));
    if (probe.found) return fail("ssh", trouble_of("ssh -V", probe), "ssh -V");
    return fail("ssh",
                "ssh is not in the PATH that zrepd uses",
                "install OpenSSH's client (Debian: apt install openssh-client)");
}

Diagnosis judge_clock(const HostFacts& facts) {
    const std::string now = to_rfc3339(facts.now);
    const std::string next = "date; timedatectl";
    if (facts.now < kFirstPlausible) return fail("clock", "it says " + now, next);
    // RFC 3339 UTC: the order of the texts is that of the times.
    const std::string latest = to_rfc3339(facts.now + kClockTolerance);
    if (facts.status) {
        for (const auto& pair : facts.status->pairs) {
            if (!pair.last_acked || pair.last_acked->time <= latest) continue;
            return warn("clock",
                        "it says " + now + ", and " + pair.dataset + " was acknowledged at " +
                            pair.last_acked->time + ": a clock went back",
                        next + ", on both hosts");
        }
    }
    return ok("clock", now);
}

Diagnosis judge_pairs(const rpc::StatusOut& status) {
    if (status.problem) return fail("pairs", status.problem->message, status.problem->remedy);
    if (status.pairs.empty()) return ok("pairs", "none here; zrepctl init makes one");
    std::vector<std::string> bad;
    bool failing = false;
    for (const auto& pair : status.pairs) {
        const bool ok = pair.health == "ok";
        if (ok && !pair.warning) continue;
        bad.push_back(pair.dataset + " (" + (ok ? pair.warning->kind : pair.health) + ")");
        failing = failing || (!ok && pair.health != "late");
    }
    const std::string count =
        std::to_string(status.pairs.size()) + (status.pairs.size() == 1 ? " pair" : " pairs");
    if (bad.empty()) return ok("pairs", count + ", all ok");
    const std::string text = std::to_string(bad.size()) + " of " + count + ": ";
    const bool more = bad.size() > kNamed;
    if (more) bad.resize(kNamed);
    return {failing ? State::fail : State::warn,
            "pairs",
            text + join(bad, ", ") + (more ? ", and more" : ""),
            "zrepctl status"};
}

}  // namespace

const char* name(State state) {
    switch (state) {
        case State::ok:
            return "ok";
        case State::note:
            return "note";
        case State::warn:
            return "warn";
        case State::fail:
            return "fail";
    }
    return "";
}

State worst(const std::vector<Diagnosis>& all) {
    State out = State::ok;
    for (const auto& one : all) out = std::max(out, one.state);
    return out == State::note ? State::ok : out;
}

std::string line_of(const Diagnosis& one) {
    std::string out = name(one.state);
    out.resize(6, ' ');
    out += one.check + ": " + one.text;
    if (!one.next.empty()) out += "; next: " + one.next;
    std::replace(out.begin(), out.end(), '\n', ' ');
    return printable(out);
}

Diagnosis judge_daemon(const HostFacts& facts) {
    if (!facts.zrepd) {
        std::string text = facts.silence.text();
        if (facts.lock_pid) {
            text += "; pid " + std::to_string(*facts.lock_pid) + " is in " + facts.runtime_dir +
                    "/zrepd.lock: it starts, or hangs";
        }
        return fail("zrepd", std::move(text), facts.silence.remedy);
    }
    if (facts.zrepd->version != facts.zrepctl_version) {
        return warn("zrepd",
                    "zrepd is " + facts.zrepd->version + ", zrepctl is " + facts.zrepctl_version +
                        ": it was not restarted after an upgrade",
                    service_manager::kRestart);
    }
    return ok("zrepd", facts.zrepd->version + " answers, and calls this host " + facts.zrepd->host);
}

std::vector<Diagnosis> judge_zfs_version(const rpc::DoctorOut& us) {
    const std::string check = "zfs " + us.zfs;
    std::vector<Diagnosis> out;
    if (us.zfs_too_old) {
        out.push_back(fail(check,
                           "zrepd needs OpenZFS 2.1 or newer: commands will fail",
                           "upgrade OpenZFS, and reboot so that its module is loaded"));
    }
    for (const auto& fault : us.faults)
        out.push_back({fault.grave ? State::warn : State::note, check, fault.what, fault.next});
    return out;
}

/// A failover is refused for the first already; of many the others are only counted.
std::vector<Diagnosis> judge_mounts(const rpc::DoctorOut& us) {
    if (us.mounts.empty()) return {};
    const std::size_t more = us.mounts.size() - 1;
    const auto& first = us.mounts.front();
    return {warn("mount points",
                 first.what + (more == 0 ? "" : "; and " + std::to_string(more) + " more"),
                 first.next)};
}

std::vector<Diagnosis> judge_host(const HostFacts& facts) {
    std::vector<Diagnosis> out{
        judge_daemon(facts), judge_runtime_dir(facts), judge_settings(facts), judge_zfs(facts.zfs)};
    for (auto& one : judge_pools(facts.pools)) out.push_back(std::move(one));
    out.push_back(judge_ssh(facts.ssh));
    out.push_back(judge_clock(facts));
    if (facts.status) out.push_back(judge_pairs(*facts.status));
    return out;
}

}  // namespace zrepd::ctl
