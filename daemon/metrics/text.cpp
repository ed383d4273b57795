// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/text.hpp"

#include <charconv>
#include <cmath>

#include "common/text.hpp"

namespace zrepd::metrics {
namespace {

// The formats are UTF-8 throughout; one byte of something else and nothing of it can be read.
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_escaped(std::string& out, std::string_view text, bool quotes) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            out += kReplacement;
            text.remove_prefix(1);
            continue;
        }
        const char c = text.front();
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\\') {
            out += "\\\\";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
}

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value);
    return {text, end.ptr};
}

/// Format 0.0.4 has no infos.
std::string_view type_name(Kind kind, Format format) {
    return kind == Kind::info && format == Format::prometheus ? name(Kind::gauge) : name(kind);
}

}  // namespace

std::string_view name(Kind kind) {
    switch (kind) {
        case Kind::gauge:
            return "gauge";
        case Kind::counter:
            return "counter";
        case Kind::info:
            return "info";
        case Kind::summary:
            return "summary";
        case Kind::histogram:
            return "histogram";
    }
    return "unknown";
}

std::string sample_name(const Family& family) {
    std::string out(family.name);
    if (family.kind == Kind::counter) out += "_total";
    if (family.kind == Kind::info) out += "_info";
    return out;
}

void TextWriter::begin(const Family& family) {
    name_ = sample_name(family);
    const bool open = format_ == Format::open_metrics;
    const std::string described = open ? std::string(family.name) : name_;
    out_ += "# HELP " + described + " ";
    append_escaped(out_, family.help, /*quotes=*/open);
    out_ += "\n# TYPE " + described + " ";
    out_ += type_name(family.kind, format_);
    if (open && !family.unit.empty()) {
        out_ += "\n# UNIT " + described + " ";
        out_ += family.unit;
    }
    out_ += "\n";
}

void TextWriter::sample(Labels labels, std::uint64_t value) {
    line("", labels, std::to_string(value));
}

void TextWriter::sample(Labels labels, std::int64_t value) {
    line("", labels, std::to_string(value));
}

void TextWriter::sample(Labels labels, double value) {
    line("", labels, number(value));
}

void TextWriter::sample(std::string_view suffix, Labels labels, std::uint64_t value) {
    line(suffix, labels, std::to_string(value));
}

void TextWriter::sample(std::string_view suffix, Labels labels, double value) {
    line(suffix, labels, number(value));
}

void TextWriter::line(std::string_view suffix, Labels labels, std::string_view value) {
    out_ += name_;
    out_ += suffix;
    char before = '{';
    for (const auto& [label, text] : labels) {
        out_ += before;
        out_ += label;
        out_ += "=\"";
        append_escaped(out_, text, /*quotes=*/true);
        out_ += '"';
        before = ',';
    }
    if (before == ',') out_ += '}';
    out_ += ' ';
    out_ += value;
    out_ += '\n';
}

std::string TextWriter::finish() && {
    if (format_ == Format::open_metrics) out_ += "# EOF\n";
    return std::move(out_);
}

std::string limit_text(double limit) {
    std::string out = number(limit);
    // OpenMetrics: a float in its canonical form, "1.0" and never "1".
    if (out.find_first_not_of("0123456789") == out.npos) out += ".0";
    return out;
}

}  // namespace zrepd::metrics
