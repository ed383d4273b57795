// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/config/options.hpp"

#include <boost/program_options/value_semantic.hpp>
#include <string>

namespace zrepd::config {

namespace po = boost::program_options;

po::options_description settings() {
    po::options_description out("Settings (command line, or KEY = VALUE lines in the file)");
    // clang-format off
    out.add_options()
        ("runtime-dir", po::value<std::string>()->value_name("DIR"),
         "where the sockets and the lock file are; an absolute path [/run/zrepd]")
        ("log-level", po::value<std::string>()->value_name("LEVEL"),
         "the least that is logged: debug, info, warn, error or critical [info]")
        ("host-name", po::value<std::string>()->value_name("NAME"),
         "what this host is called in pairs [its short host name]")
        ("streams", po::value<std::string>()->value_name("N"),
         "streams at once, over all peers, 1 to 8 [4]")
        ("stall-timeout", po::value<std::string>()->value_name("TIME"),
         "end a stream in which no byte moved for this long, at least 5s [60s]")
        ("ssh-config", po::value<std::string>()->value_name("FILE"),
         "passed to ssh as -F [ssh's own]")
        ("ssh-user", po::value<std::string>()->value_name("NAME"),
         "passed to ssh as -l [ssh's own, then zrep]")
        ("hooks-dir", po::value<std::string>()->value_name("DIR"),
         "programs to run around a role change, and for events [/etc/zrepd/hooks.d]")
        ("hook-timeout", po::value<std::string>()->value_name("TIME"),
         "end such a program after this long, 1s to 1h [60s]")
        ("lease-time", po::value<std::string>()->value_name("TIME"),
         "with zrep:fence=lease: a master is readonly when nobody confirmed it this long, 5s to 10m [20s]")
        ("witness", po::value<std::string>()->value_name("DIR"),
         "a folder on a third host, mounted on both, that confirms leases too [none]")
        ("metrics-listen", po::value<std::string>()->value_name("ADDRESS"),
         "figures for monitoring over HTTP, GET /metrics: the absolute path of a Unix socket, 127.0.0.1:PORT or [::1]:PORT [none]")
        ("metrics-file", po::value<std::string>()->value_name("FILE"),
         "the same as a file for node_exporter, NAME.prom in a folder of root's [none]");
    // clang-format on
    return out;
}

po::options_description actions() {
    po::options_description out("Options");
    // clang-format off
    out.add_options()
        ("config", po::value<std::string>()->value_name("FILE"),
         "settings file [/etc/zrepd/zrepd.conf]")
        ("check-config", "say what is wrong with the settings, and exit")
        ("hand-over-mounts",
         "let systemd pass the host's mounts on to the zrepd that it starts next, and exit")
        ("help,h", "show this help, and exit")
        ("version", "show the version, and exit");
    // clang-format on
    return out;
}

}  // namespace zrepd::config
