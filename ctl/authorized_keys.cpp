// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/authorized_keys.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/text.hpp"

namespace zrepd::ctl {
namespace {

// sshd refuses shorter ones since OpenSSH 9.2, and nobody needs them.
constexpr std::size_t kMinRsaBytes = 256;
constexpr std::size_t kEd25519Bytes = 32;
// A comment is for people; what is longer is something else.
constexpr std::size_t kMaxComment = 200;

constexpr std::string_view kEd25519 = "ssh-ed25519";
constexpr std::string_view kRsa = "ssh-rsa";
constexpr std::array kTypes{kEd25519,
                            kRsa,
                            std::string_view("ecdsa-sha2-nistp256"),
                            std::string_view("ecdsa-sha2-nistp384"),
                            std::string_view("ecdsa-sha2-nistp521")};

Error bad_key(std::string why, std::string remedy = "give the .pub file of the other host's key") {
    return Error{
        .code = Code::invalid_params, .message = std::move(why), .remedy = std::move(remedy)};
}

/// The first word, taken off `text` with the white space behind it.
std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(text.find_first_not_of(" \t", end), text.size()));
    return word;
}

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

/// RFC 4648, with its padding; nullopt on anything else.
std::optional<std::string> from_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    std::string out;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool padded = i + padding >= text.size();
        const int value = padded ? 0 : value_of(text[i]);
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if (i % 4 != 3) continue;
        for (const int shift : {16, 8, 0}) out.push_back(static_cast<char>(bits >> shift & 0xff));
        bits = 0;
    }
    out.erase(out.size() - padding);
    return out;
}

/// RFC 4253's strings, each with its length in front; nullopt when they do not fill it exactly.
std::optional<std::vector<std::string_view>> strings_of(std::string_view blob) {
    std::vector<std::string_view> out;
    while (!blob.empty()) {
        if (blob.size() < 4) return std::nullopt;
        std::size_t length = 0;
        for (int i = 0; i < 4; ++i)
            length = length << 8 | static_cast<unsigned char>(blob[static_cast<std::size_t>(i)]);
        blob.remove_prefix(4);
        if (length > blob.size()) return std::nullopt;
        out.push_back(blob.substr(0, length));
        blob.remove_prefix(length);
    }
    return out;
}

Result<void> check_blob(std::string_view type, std::string_view base64) {
    const auto blob = from_base64(base64);
    const auto parts = blob ? strings_of(*blob) : std::nullopt;
    if (!parts || parts->empty()) return bad_key("the key is damaged: it is cut, or not base64");
    if (parts->front() != type)
        return bad_key("the key is damaged: it says " + quote(type) + " and is another");
    const std::size_t wanted = type == kEd25519 ? 2 : 3;
    if (parts->size() != wanted || (type == kEd25519 && parts->back().size() != kEd25519Bytes))
        return bad_key("the key is damaged: it has not the form of an " + std::string(type));
    if (type == kRsa && parts->back().size() < kMinRsaBytes)
        return bad_key("an RSA key of less than 2048 bits", "make one with ssh-keygen -t ed25519");
    return ok();
}

bool looks_like_type(std::string_view word) {
    return word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") || word.starts_with("sk-");
}

/// What is no public key of OpenSSH's form, said so that nobody has to guess.
std::optional<Error> other_kind(std::string_view file) {
    const auto has = [&](std::string_view text) { return file.find(text) != file.npos; };
    if (has("PRIVATE KEY-----") || has("PuTTY-User-Key-File")) {
        return bad_key("this is a private key, which never leaves its host",
                       "give the file beside it whose name ends in .pub; if the private one was "
                       "copied here, delete it, and make a new pair");
    }
    if (has("BEGIN SSH2 PUBLIC KEY") || has("BEGIN PUBLIC KEY") || has("BEGIN RSA PUBLIC KEY"))
        return bad_key("the key is not in OpenSSH's form", "ssh-keygen -i -f FILE converts it");
    const bool steers = std::any_of(file.begin(), file.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    });
    if (steers || !is_utf8(file)) return bad_key("the file is no text");
    return std::nullopt;
}

Result<PublicKey> parse_key_line(std::string_view line) {
    const std::string_view type = take_word(line);
    if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
        if (type.find("-cert-v01@") != type.npos)
            return bad_key("this is a certificate, not a key");
        if (looks_like_type(type))
            return bad_key("keys of the type " + quote(type) + " are not taken",
                           "make one with ssh-keygen -t ed25519");
        return bad_key("the line begins with " + quote(type, 40) +
                       " and not with a key's type; options are not taken from the file");
    }
    const std::string_view blob = take_word(line);
    auto good = check_blob(type, blob);
    if (!good) return good.error();
    const std::string_view comment = trim(line);
    if (comment.size() > kMaxComment) return bad_key("the key's comment is too long");
    return PublicKey{std::string(type), std::string(blob), std::string(comment)};
}

/// One line of authorized_keys: options, key, and the host when the options are `zrepctl peer`'s.
struct Line {
    std::string_view blob;
    std::optional<std::string> host;
};

/// Up to the white space or comma that ends an option; quotes protect both, as in sshd.
std::size_t option_end(std::string_view text) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && i + 1 < text.size() && text[i + 1] == '"') {
            ++i;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ',' || c == ' ' || c == '\t')) {
            return i;
        }
    }
    return text.size();
}

/// Names of options may be in capitals.
bool begins_as(std::string_view text, std::string_view lower) {
    return text.size() >= lower.size() &&
           std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
               return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
           });
}

/// alpha of command="zrepctl peer --as alpha"; other options may stand before peer.
std::optional<std::string> host_of(std::string_view option) {
    constexpr std::string_view kCommand = "command=\"";
    if (!begins_as(option, kCommand) || !option.ends_with('"')) return std::nullopt;
    option.remove_prefix(kCommand.size());
    option.remove_suffix(1);
    const auto words = split(option, ' ');
    if (words[0] != "zrepctl" && !words[0].ends_with("/zrepctl")) return std::nullopt;
    for (std::size_t i = 1; i + 2 < words.size(); ++i) {
        if (words[i] != "peer" || words[i + 1] != "--as") continue;
        const auto host = HostName::parse(words[i + 2]);
        if (host) return host->short_name();
    }
    return std::nullopt;
}

std::optional<Line> read_line(std::string_view text) {
    text = trim(text);
    if (text.empty() || text.starts_with('#')) return std::nullopt;
    Line out;
    while (!looks_like_type(text)) {
        const std::size_t end = option_end(text);
        if (auto host = host_of(text.substr(0, end))) out.host = std::move(host);
        const bool last = end == text.size() || text[end] != ',';
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!last) continue;
        text = trim(text);
        if (!looks_like_type(text)) return std::nullopt;
    }
    take_word(text);
    out.blob = take_word(text);
    return out;
}

/// With its newlines, as many as there are.
std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        out.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return out;
}

/// sshd compares what the text stands for.
bool same_key(std::string_view a, std::string_view b) {
    const auto first = from_base64(a);
    const auto second = from_base64(b);
    return a == b || (first && second && *first == *second);
}

std::optional<Error> stands_otherwise(const Line& line,
                                      const std::string& host,
                                      std::size_t number) {
    if (line.host == host) return std::nullopt;
    if (line.host) {
        return Error{.code = Code::already_exists,
                     .message = "this key is " + *line.host + "'s there already, line " +
                                std::to_string(number),
                     .remedy = "each host has a key of its own; if " + *line.host +
                               " is gone: zrepctl authorize " + *line.host + " --revoke"};
    }
    return Error{.code = Code::conflict,
                 .message = "this key stands there already with other rights, line " +
                            std::to_string(number) + ", and sshd takes the first line that fits",
                 .remedy = "take that line away, or give another key"};
}

}  // namespace

bool is_public_key(std::string_view text) {
    const std::string_view type = take_word(text);
    return !text.empty() && std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

Result<PublicKey> parse_public_key(std::string_view file) {
    std::string text(file);
    // Files that came by way of Windows.
    for (auto at = text.find("\r\n"); at != text.npos; at = text.find("\r\n", at))
        text.erase(at, 1);
    if (auto other = other_kind(text)) return *other;
    std::optional<std::string_view> key;
    for (const auto line : split(text, '\n')) {
        if (trim(line).empty() || trim(line).starts_with('#')) continue;
        if (key) return bad_key("the file holds more than one line", "give a file with one key");
        key = trim(line);
    }
    if (!key) return bad_key("the file holds no key");
    return parse_key_line(*key);
}

std::string key_line(const HostName& host, const PublicKey& key) {
    std::string out = "restrict,command=\"zrepctl peer --as " + host.short_name() + "\" " +
                      key.type + " " + key.blob;
    return key.comment.empty() ? out : out + " " + key.comment;
}

Result<KeyEdit> with_key(std::string_view text, const HostName& host, const PublicKey& key) {
    const std::string name = host.short_name();
    const std::string ours = key_line(host, key) + "\n";
    KeyEdit out;
    bool placed = false;
    std::size_t number = 0;
    for (const auto whole : lines_of(text)) {
        ++number;
        const auto line = read_line(whole);
        if (!line || !same_key(line->blob, key.blob)) {
            out.others += line && line->host == name ? 1 : 0;
            out.text += whole;
            continue;
        }
        if (auto otherwise = stands_otherwise(*line, name, number)) return *otherwise;
        if (!placed) out.text += ours;
        placed = true;
    }
    if (!placed && !out.text.empty() && !out.text.ends_with('\n')) out.text += '\n';
    if (!placed) out.text += ours;
    out.changes = out.text != text;
    return out;
}

KeyEdit without_keys(std::string_view text, const HostName& host, const PublicKey* only) {
    const std::string name = host.short_name();
    KeyEdit out;
    for (const auto whole : lines_of(text)) {
        const auto line = read_line(whole);
        const bool its = line && line->host == name;
        if (its && (only == nullptr || same_key(line->blob, only->blob))) {
            ++out.removed;
            continue;
        }
        out.others += its ? 1 : 0;
        out.text += whole;
    }
    out.changes = out.removed > 0;
    return out;
}

}  // namespace zrepd::ctl
