// SPDX-License-Identifier: BSD-2-Clause
// Errors and outcomes as text or JSON.
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "common/text.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {

Result<Selection> select(const std::vector<std::string>& words, bool all_allowed) {
    Selection out;
    for (const auto& word : words) {
        if (all_allowed && word == "all") {
            if (words.size() > 1) {
                return Error{.code = Code::invalid_params,
                             .message = "give either filesystems or all, not both"};
            }
            out.all = true;
            return out;
        }
        const auto dataset = DatasetName::parse(word);
        if (!dataset) return dataset.error();
        out.datasets.push_back(dataset->str());
    }
    return out;
}

int complain(const Invocation& invocation, const Error& error) {
    if (invocation.json)
        print_json({{"error", error_document(error)}});
    else
        std::fputs(error_text(error, "").c_str(), stderr);
    return error.code == Code::cancelled ? kInterrupted : info(error.code).exit_status;
}

int tell_unwritten(int number) {
    if (number != EPIPE) {
        const std::string why = std::generic_category().message(number);
        std::fprintf(stderr, "zrepctl: cannot write to standard output: %s\n", why.c_str());
    }
    return kFailed;
}

int tell_problem(const Invocation& invocation, const std::optional<rpc::Trouble>& problem) {
    if (!problem) return kDone;
    const Error error{
        .code = Code::internal, .message = problem->message, .remedy = problem->remedy};
    if (!invocation.json) std::fputs(error_text(error, "").c_str(), stderr);
    return kFailed;
}

int usage_error(const Invocation& invocation, const Error& error) {
    if (invocation.json) {
        print_json({{"error", error_document(error)}});
        return invocation.usage_status;
    }
    std::string text = "zrepctl " + invocation.verb + ": " + printable(error.text());
    if (!error.remedy.empty()) text += "; " + printable(error.remedy);
    std::fprintf(stderr, "%s\nsee zrepctl %s --help\n", text.c_str(), invocation.verb.c_str());
    return invocation.usage_status;
}

int usage_error(const Invocation& invocation, const std::string& what) {
    return usage_error(invocation, Error{.code = Code::invalid_params, .message = what});
}

int call_and_report(const Invocation& invocation, const std::string& method, const Json& params) {
    auto client = Client::connect(invocation.socket, /*read_only=*/false);
    if (!client) return complain(invocation, client.error());
    auto reply = client->call(method, params);
    if (!reply) return complain(invocation, reply.error());
    auto done = rpc::decode_as<rpc::Done>(*reply, rpc::Strictness::reply);
    if (!done) return complain(invocation, done.error());
    if (invocation.json) {
        print_json(*reply);
        return kDone;
    }
    const char* would = params.value("dry_run", false) ? "would " : "";
    for (const auto& step : done->steps) std::printf("%s%s\n", would, printable(step).c_str());
    for (const auto& note : done->notes) std::printf("note: %s\n", printable(note).c_str());
    return kDone;
}

}  // namespace zrepd::ctl
