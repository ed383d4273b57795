// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/events.hpp"

#include <algorithm>
#include <map>

#include "common/text.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

// The longest name of today, so that the texts stand below each other.
constexpr std::size_t kNameWidth = 18;

std::string outcomes(const rpc::RunOut& run) {
    std::map<std::string, std::size_t> counted;
    for (const auto& result : run.results) ++counted[result.outcome];
    std::vector<std::string> out;
    for (const auto& [outcome, count] : counted)
        out.push_back(std::to_string(count) + " " + outcome);
    return join(out, ", ");
}

std::string of_run(const rpc::RunOut& run) {
    std::string out = run.operation;
    if (run.results.size() == 1) {
        const auto& only = run.results.front();
        out += " of " + only.dataset;
        if (only.error) return out + " failed: " + only.error->message;
        return run.finished ? out + ": " + (only.text.empty() ? only.outcome : only.text) : out;
    }
    out += " of " + std::to_string(run.results.size());
    if (!run.finished) return out;
    out += ": " + outcomes(run);
    for (const auto& result : run.results) {
        if (result.error) return out + " (" + result.dataset + ": " + result.error->message + ")";
    }
    return out;
}

bool is_within(const std::string& dataset, const std::string& above) {
    return dataset == above || dataset.starts_with(above + "/");
}

}  // namespace

std::string event_text(const rpc::EventOut& event) {
    std::string text = event.text;
    if (event.run) text = of_run(*event.run);
    if (!event.dataset.empty()) text = event.dataset + (text.empty() ? "" : ": " + text);
    return printable(text);
}

std::string event_line(const rpc::EventOut& event) {
    std::string name = event.event;
    name.resize(std::max(name.size(), kNameWidth), ' ');
    return printable(event.time + "  " + name + "  ") + event_text(event);
}

bool concerns(const rpc::EventOut& event, const std::vector<std::string>& datasets) {
    if (datasets.empty()) return true;
    return std::any_of(datasets.begin(), datasets.end(), [&](const std::string& above) {
        if (is_within(event.dataset, above)) return true;
        return event.run && std::any_of(event.run->results.begin(),
                                        event.run->results.end(),
                                        [&](const auto& r) { return is_within(r.dataset, above); });
    });
}

}  // namespace zrepd::ctl
