// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "common/version.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

void version_options(boost::program_options::options_description&) {}

int run_version(const Invocation& invocation) {
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    Result<rpc::VersionOut> daemon = Error{};
    if (client)
        daemon = client->call_as<rpc::VersionOut>("daemon.version", rpc::Empty{});
    else
        daemon = client.error();
    if (invocation.json) {
        Json out = {{"zrepctl", kBuildVersion}, {"protocol", rpc::kProtocol}};
        if (daemon)
            out["daemon"] = rpc::encode(*daemon);
        else
            out["error"] = error_document(daemon.error());
        print_json(out);
        return daemon ? kDone : info(daemon.error().code).exit_status;
    }
    std::printf("zrepctl %s, protocol %s\n",
                std::string(kBuildVersion).c_str(),
                std::string(rpc::kProtocol).c_str());
    if (!daemon) return complain(invocation, daemon.error());
    std::printf("zrepd %s on %s, protocol %s, OpenZFS %s\n",
                daemon->version.c_str(),
                daemon->host.c_str(),
                daemon->protocol.c_str(),
                daemon->zfs.empty() ? "not loaded" : daemon->zfs.c_str());
    return kDone;
}

}  // namespace

const Command kVersion{
    "version",
    "",
    "",
    "Show the versions of client, daemon and OpenZFS",
    "The client's own line comes even when no daemon is running; --version shows that line alone.\n\n"
    "Example:\n  zrepctl version --json\n",
    0,
    0,
    version_options,
    run_version};

}  // namespace zrepd::ctl
