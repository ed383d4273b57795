// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/journal.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/fence.hpp"

namespace zrepd::failover {
namespace {

constexpr std::string_view kMountpoint = "mountpoint=";
constexpr std::string_view kWished = "wished=";

bool is_one_of(std::string_view value, std::initializer_list<std::string_view> known) {
    return std::find(known.begin(), known.end(), value) != known.end();
}

/// zfs(8) takes these; a control character would not survive its output.
bool good_mountpoint(std::string_view value) {
    const bool special = is_one_of(value, {"legacy", "none"});
    const bool path = value.starts_with('/') && value.size() < 1024;
    const bool printable = std::none_of(value.begin(), value.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    return (special || path) && printable;
}

/// False for a word that has no place in a zrep:serve.
bool apply(Serve& serve, std::string_view key, std::string_view value) {
    if (key == "canmount") {
        serve.canmount = value;
        return is_one_of(value, {"on", "off", "noauto"});
    }
    if (key == "mounted") {
        serve.mounted = value == "yes";
        return is_one_of(value, {"yes", "no"});
    }
    if (key == "volmode") {
        serve.volmode = value;
        return is_one_of(value, {"default", "full", "geom", "dev", "none"});
    }
    if (key == "interval") serve.interval = value;
    return key == "interval";
}

}  // namespace

std::string to_text(const Entry& entry) {
    if (entry.journal == Journal::none) return "";
    std::string out(name(entry.journal));
    if (entry.base.known()) out += " base=" + entry.base.str();
    if (entry.copied.known()) out += " copied=" + entry.copied.str();
    if (entry.back) out += " back=yes";
    if (entry.readonly_was_here) out += " readonly=here";
    if (entry.lease) out += " lease=out";
    return out;
}

std::optional<Entry> parse_entry(std::string_view text) {
    const auto words = split(text, ' ');
    if (words.empty() || words[0].empty()) return std::nullopt;
    const auto journal = journal_from_name(words[0]);
    if (!journal || *journal == Journal::none) return std::nullopt;
    Entry out{.journal = *journal};
    for (std::size_t i = 1; i < words.size(); ++i) {
        const auto equals = words[i].find('=');
        const auto key = words[i].substr(0, equals);
        const auto value = equals == words[i].npos ? "" : words[i].substr(equals + 1);
        if (key == "base") out.base = Guid::parse(value).value_or(Guid{});
        if (key == "copied") out.copied = Guid::parse(value).value_or(Guid{});
        if (key == "back") out.back = value == "yes";
        if (key == "readonly") out.readonly_was_here = value == "here";
        if (key == "lease") out.lease = value == "out";
    }
    return out;
}

Entry entry_of(const Dataset& dataset) {
    const auto text = dataset.local(prop::kInprogress);
    return parse_entry(text.value_or("")).value_or(Entry{});
}

std::string to_text(const Serve& serve) {
    std::vector<std::string> words;
    if (!serve.canmount.empty()) {
        words.push_back("canmount=" + serve.canmount);
        words.emplace_back(serve.mounted ? "mounted=yes" : "mounted=no");
    }
    if (!serve.volmode.empty()) words.push_back("volmode=" + serve.volmode);
    if (!serve.interval.empty()) words.push_back("interval=" + serve.interval);
    // A path may have blanks: it is the last.
    if (!serve.wished.empty())
        words.push_back(std::string(kWished) + serve.wished);
    else if (!serve.mountpoint.empty())
        words.push_back(std::string(kMountpoint) + serve.mountpoint);
    return join(words, " ");
}

std::optional<Serve> parse_serve(std::string_view text) {
    Serve out;
    while (!text.empty()) {
        for (const auto& [key, path] :
             {std::pair(kMountpoint, &out.mountpoint), std::pair(kWished, &out.wished)}) {
            if (!text.starts_with(key)) continue;
            *path = text.substr(key.size());
            if (!good_mountpoint(*path)) return std::nullopt;
            return out;
        }
        const auto word = text.substr(0, text.find(' '));
        const auto equals = word.find('=');
        if (equals == word.npos) return std::nullopt;
        if (!apply(out, word.substr(0, equals), word.substr(equals + 1))) return std::nullopt;
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return out;
}

std::string without_choice(const std::string& serve) {
    auto out = parse_serve(serve);
    if (!out) return serve;
    if (!out->mountpoint.empty()) out->wished = std::exchange(out->mountpoint, "");
    // A boot would mount it first, and then others through the links in it, which nobody looked
    // for.
    if (out->canmount == "on" && !out->mounted) out->canmount = "noauto";
    return to_text(*out);
}

std::string place_of(const Serve& serve, const Dataset& dataset) {
    const bool own = dataset.mountpoint_here || serve.mountpoint.empty();
    return own ? dataset.mountpoint : serve.mountpoint;
}

Serve serve_of(const Dataset& dataset) {
    Serve out;
    out.interval = dataset.effective(prop::kInterval).value_or("");
    if (dataset.kind == Kind::volume) {
        out.volmode = dataset.volmode;
        return out;
    }
    out.canmount = canmount_of(dataset);
    out.mounted = dataset.mounted || is_hidden(dataset);
    out.mountpoint = dataset.mountpoint;
    return out;
}

Serve serve_of_member(const Dataset& dataset) {
    Serve out = serve_of(dataset);
    out.interval.clear();
    out.mounted = out.canmount == "on";
    if (!dataset.mountpoint_here) out.mountpoint.clear();
    return out;
}

}  // namespace zrepd::failover
