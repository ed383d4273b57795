// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/config/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/config/options.hpp"

namespace zrepd::config {
namespace {

namespace po = boost::program_options;

Error bad(std::string message) {
    return Error{.code = Code::invalid_params,
                 .message = std::move(message),
                 .remedy = "zrepd --help lists the settings; zrepd --check-config tests them"};
}

/// Stands in Config::host until a name is known. No setting may give it: it means every host.
HostName no_name() {
    return *HostName::parse("localhost");
}

Result<HostName> short_host_name(const std::string& name) {
    auto parsed = HostName::parse(name);
    return parsed ? HostName::parse(parsed->short_name()) : parsed;
}

Error no_name_of_its_own(const Config& config) {
    return Error{.code = Code::invalid_params,
                 .message =
                     "this system is called localhost, as every host calls itself: both "
                     "hosts of a pair would store the same name",
                 .remedy = "set host-name = NAME in " + config.file.string() +
                           ", or run: hostnamectl set-hostname NAME"};
}

/// Without a setting we are called what the system says. A name that pairs cannot store must not
/// become another one unseen: localhost would mean the other host there.
Result<void> settle_host(Config& config, const std::string& system_name) {
    if (config.host != no_name()) return ok();
    auto host = short_host_name(system_name);
    if (!host) {
        return Error{.code = Code::invalid_params,
                     .message = "pairs cannot store this host's own name: " + host.error().text(),
                     .remedy = "set host-name = NAME in " + config.file.string() +
                               ", a name of letters, digits and '-' that stays as long as there "
                               "are pairs"};
    }
    if (*host == no_name()) return no_name_of_its_own(config);
    config.host = *host;
    return ok();
}

Result<void> apply_number(Config& config, const std::string& value) {
    const auto streams = parse_u64(value);
    // 8 streams and the session fit into OpenSSH's default MaxSessions of 10.
    if (!streams || *streams < 1 || *streams > 8) return bad("streams must be 1 to 8");
    config.streams = static_cast<unsigned>(*streams);
    return ok();
}

/// ssh would find out at the first connection, and every sync would fail with its words.
Result<void> apply_ssh_config(Config& config, const std::string& value) {
    if (!value.starts_with('/')) return bad("ssh-config must be an absolute path");
    std::error_code ec;
    const bool directory = std::filesystem::is_directory(value, ec);
    if (directory || ::access(value.c_str(), R_OK) != 0) {
        const std::string why = directory ? "it is a directory"
                                          : std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
        return bad("ssh-config " + quote(value) + " cannot be read: " + why);
    }
    config.ssh_config = value;
    return ok();
}

/// Programs that are looked for in the wrong place never refuse anything.
Result<void> apply_hooks_dir(Config& config, const std::string& value) {
    if (!value.starts_with('/')) return bad("hooks-dir must be an absolute path");
    std::error_code ec;
    if (!std::filesystem::is_directory(value, ec)) {
        return bad("hooks-dir " + quote(value) + " is not a directory that is there");
    }
    config.hooks_dir = value;
    return ok();
}

Result<void> apply_hook_timeout(Config& config, const std::string& value) {
    const auto time = parse_duration(value);
    if (!time) return bad(time.error().text());
    // The other side, and whoever ran the command, wait as long.
    if (*time < std::chrono::seconds(1) || *time > std::chrono::hours(1)) {
        return bad("hook-timeout must be 1s to 1h");
    }
    config.hook_timeout = *time;
    return ok();
}

/// Below, a slow renewal would look like a lost peer; above, a takeover would wait for ever.
Result<void> apply_lease_time(Config& config, const std::string& value) {
    const auto time = parse_duration(value);
    if (!time) return bad(time.error().text());
    if (*time < std::chrono::seconds(5) || *time > std::chrono::minutes(10)) {
        return bad("lease-time must be 5s to 10m");
    }
    config.lease_time = *time;
    return ok();
}

/// Whether it is mounted is not asked here: a shared folder that hangs must not hang the start.
Result<void> apply_witness(Config& config, const std::string& value) {
    if (!value.starts_with('/')) return bad("witness must be an absolute path, a folder");
    if (value.find_first_of(" \t") != value.npos) return bad("witness must not contain spaces");
    config.witness = value;
    return ok();
}

Result<void> apply_metrics_listen(Config& config, const std::string& value) {
    auto address = ListenAddress::parse(value);
    if (!address) return bad("metrics-listen " + address.error().text());
    config.metrics_listen = std::move(*address);
    return ok();
}

/// The folder is looked at when it is written to: a copy is worth more than its figures.
Result<void> apply_metrics_file(Config& config, const std::string& value) {
    const std::filesystem::path path(value);
    if (!path.is_absolute()) return bad("metrics-file must be an absolute path");
    if (path.extension() != ".prom") {
        return bad("metrics-file must end in .prom: node_exporter reads no other file");
    }
    config.metrics_file = path;
    return ok();
}

/// Settings with a function of their own.
constexpr std::pair<std::string_view, Result<void> (*)(Config&, const std::string&)> kOfTheirOwn[] =
    {{"streams", apply_number},
     {"ssh-config", apply_ssh_config},
     {"hooks-dir", apply_hooks_dir},
     {"hook-timeout", apply_hook_timeout},
     {"lease-time", apply_lease_time},
     {"witness", apply_witness},
     {"metrics-listen", apply_metrics_listen},
     {"metrics-file", apply_metrics_file}};

/// Puts one checked setting into the configuration.
Result<void> apply(Config& config, const std::string& key, const std::string& value) {
    for (const auto& [name, apply_it] : kOfTheirOwn) {
        if (key == name) return apply_it(config, value);
    }
    if (key == "runtime-dir") {
        if (!value.starts_with('/')) return bad("runtime-dir must be an absolute path");
        config.runtime_dir = value;
    } else if (key == "log-level") {
        constexpr std::string_view kLevels = " debug info warn error critical ";
        if (value.empty() || kLevels.find(" " + value + " ") == kLevels.npos) {
            return bad("log-level must be debug, info, warn, error or critical");
        }
        config.log_level = value;
    } else if (key == "host-name") {
        auto host = short_host_name(value);
        if (!host) return bad(host.error().text());
        if (*host == no_name()) return bad("host-name must not be localhost: every host is that");
        config.host = *host;
    } else if (key == "stall-timeout") {
        const auto time = parse_duration(value);
        if (!time) return bad(time.error().text());
        if (time->count() < 5) return bad("stall-timeout must be at least 5s");
        config.stall_timeout = *time;
    } else if (key == "ssh-user") {
        if (value.empty() || value.starts_with('-')) return bad("ssh-user is not a user name");
        config.ssh_user = value;
    }
    return ok();
}

/// The library's words, which have the line as it stands in the file.
std::string in_one_line(std::string_view words) {
    std::string out;
    while (!words.empty()) {
        const std::size_t length = utf8_length(words);
        const std::string_view next = words.substr(0, std::max<std::size_t>(length, 1));
        out += length == 0 || is_control(next) ? "?" : next;
        words.remove_prefix(next.size());
    }
    return out;
}

Error unreadable(const std::filesystem::path& path, int error) {
    const std::string why = std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
    return Error{.code = Code::io_error,
                 .message = "cannot read the settings file " + quote(path.string()) + ": " + why,
                 .remedy = "it has to be a file that zrepd's user may read",
                 .sys_errno = error};
}

/// One line at a time, because the library's own errors do not say where they are.
Result<void> apply_file(Config& config, const std::filesystem::path& path) {
    std::ifstream file(path);
    // A directory opens like a file; only reading it fails.
    if (file) file.peek();
    if (!file.is_open() || file.bad()) return unreadable(path, errno);
    const po::options_description known = settings();
    std::set<std::string> seen;
    std::string line;
    for (unsigned number = 1; std::getline(file, line); ++number) {
        const std::string where = path.string() + ":" + std::to_string(number);
        try {
            std::istringstream one(line);
            const auto parsed = po::parse_config_file(one, known);
            for (const auto& option : parsed.options) {
                if (!seen.insert(option.string_key).second) {
                    return bad("it is given twice in this file").in(option.string_key).in(where);
                }
                const std::string value(trim(option.value.empty() ? "" : option.value.front()));
                auto applied = apply(config, option.string_key, value);
                if (!applied) return applied.error().in(option.string_key).in(where);
            }
        } catch (const po::error& e) {
            return bad(in_one_line(e.what())).in(where);
        }
    }
    if (file.bad()) return unreadable(path, errno);
    return ok();
}

Result<void> read_file(Config& config, const po::variables_map& given) {
    const bool named = given.count("config") != 0;
    if (named) config.file = given["config"].as<std::string>();
    std::error_code ec;
    if (std::filesystem::exists(config.file, ec)) return apply_file(config, config.file);
    if (ec) return unreadable(config.file, ec.value());
    if (!named) return ok();
    return Error{.code = Code::not_found,
                 .message = "no settings file " + quote(config.file.string()),
                 .remedy = "create it, or leave --config away to use the defaults"};
}

Result<void> apply_command_line(Config& config, const po::variables_map& given) {
    const po::options_description known = settings();
    for (const auto& option : known.options()) {
        const std::string& key = option->long_name();
        if (given.count(key) == 0) continue;
        auto applied = apply(config, key, given[key].as<std::string>());
        if (!applied) return applied.error().in("--" + key);
    }
    return ok();
}

}  // namespace

std::string system_host_name() {
    char name[256] = "";
    ::gethostname(name, sizeof name - 1);
    return name;
}

Result<CommandLine> read(const std::vector<std::string>& arguments,
                         const std::string& system_name) {
    CommandLine out{.config = Config{.host = no_name()}};
    po::options_description all(
        "zrepd: replicates ZFS filesystems between two hosts\n\n"
        "Usage: zrepd [OPTION]...");
    all.add(actions()).add(settings());
    po::variables_map given;
    try {
        po::options_description accepted;
        accepted.add(all).add_options()("word", po::value<std::vector<std::string>>());
        const auto words = po::positional_options_description().add("word", -1);
        po::store(po::command_line_parser(arguments).options(accepted).positional(words).run(),
                  given);
    } catch (const po::error& e) {
        return bad(e.what());
    }
    std::ostringstream help;
    help << all;
    out.help = help.str();
    if (given.count("word") != 0) {
        return bad("unexpected argument " +
                   quote(given["word"].as<std::vector<std::string>>().front()));
    }
    using Action = CommandLine::Action;
    if (given.count("help") != 0)
        out.action = Action::help;
    else if (given.count("version") != 0)
        out.action = Action::version;
    else if (given.count("check-config") != 0)
        out.action = Action::check_config;
    else if (given.count("hand-over-mounts") != 0)
        out.action = Action::hand_over_mounts;
    // These are told or done whatever the settings are.
    if (out.action != Action::run && out.action != Action::check_config) return out;
    if (auto file = read_file(out.config, given); !file) return file.error();
    if (auto line = apply_command_line(out.config, given); !line) return line.error();
    if (auto host = settle_host(out.config, system_name); !host) return host.error();
    return out;
}

}  // namespace zrepd::config
