// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/documents.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

namespace zrepd::documents {
namespace {

namespace fs = std::filesystem;

bool is_markdown(const std::string& path) {
    return path.ends_with(".md");
}

/// In Markdown: what stands between backticks, perhaps across a line's end, and indented lines.
std::vector<std::string> markdown_code(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("    ")) out.push_back(line.substr(4));
    }
    static const std::regex kSpan("`([^`]+)`");
    for (std::sregex_iterator it(text.begin(), text.end(), kSpan), end; it != end; ++it) {
        out.push_back(std::regex_replace((*it)[1].str(), std::regex("\\s+"), " "));
    }
    return out;
}

/// In a man page: literal displays, and the lines whose macro makes them commands.
std::vector<std::string> man_code(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream lines(text);
    bool literal = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(".Bd -literal"))
            literal = true;
        else if (line == ".Ed")
            literal = false;
        else if (literal)
            out.push_back(typed(line));
        else if (line.starts_with(".Cm ") || line.starts_with(".Dl "))
            out.push_back(typed(line.substr(4)));
    }
    return out;
}

std::string replaced(const std::string& text, const char* pattern, const char* with) {
    return std::regex_replace(text, std::regex(pattern), with);
}

}  // namespace

std::string text_of(const std::string& path) {
    std::ifstream file(std::string(ZREPD_SOURCE_DIR) + "/" + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> man_pages() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(std::string(ZREPD_SOURCE_DIR) + "/docs")) {
        const std::string name = entry.path().filename().string();
        if (std::regex_match(name, std::regex(".*\\.[1-9]"))) out.push_back("docs/" + name);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<std::string> manual() {
    std::vector<std::string> out{"README.md",
                                 "docs/operations.md",
                                 "docs/failover.md",
                                 "docs/events.md",
                                 "docs/pacemaker.md",
                                 "docs/runbook.md",
                                 "docs/migrating.md",
                                 "docs/hardening.md"};
    for (auto& page : man_pages()) out.push_back(std::move(page));
    return out;
}

std::string typed(const std::string& page) {
    std::string out = replaced(page, "\\\\-", "-");
    out = replaced(out, "\\\\&", "");
    out = replaced(out, "Fl Fl Ns ", "--");
    out = replaced(out, "Fl Fl ", "--");
    out = replaced(out, "Fl ", "-");
    out = replaced(out, " Ns = Ns ", "=");
    return replaced(out, "\\b(Ar|Cm|Sy|Pa|No|Pq|Sq|Em|Xr) ", "");
}

std::string section(const std::string& text, const std::string& heading) {
    for (const char* mark : {"\n.Sh ", "\n## ", "\n### "}) {
        const std::size_t begin = text.find(mark + heading + "\n");
        if (begin == text.npos) continue;
        return text.substr(begin + 1, text.find(mark, begin + 1) - begin - 1);
    }
    return "";
}

Names items(const std::string& part) {
    Names out;
    static const std::regex kItem("(?:^|\n)\\.It (.*)");
    for (std::sregex_iterator it(part.begin(), part.end(), kItem), end; it != end; ++it) {
        for (const auto& name : found((*it)[1].str(), "(?:Sy|Cm) (\\S+)")) out.insert(name);
    }
    return out;
}

std::string item_text(const std::string& part, const std::string& name) {
    std::istringstream lines(part);
    std::string out;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        const bool heading = line.starts_with(".It ") || line.starts_with(".El");
        if (heading) inside = items(line).contains(name);
        if (!inside || heading) continue;
        out += (out.empty() ? "" : " ") + replaced(typed(line), "^\\.", "");
    }
    return out;
}

Names first_column(const std::string& part) {
    Names out;
    static const std::regex kRow("(?:^|\n)\\| ([^|]*) \\|");
    for (std::sregex_iterator it(part.begin(), part.end(), kRow), end; it != end; ++it) {
        for (const auto& name : found((*it)[1].str(), "`([^`]+)`")) out.insert(name);
    }
    return out;
}

std::vector<std::string> code_in(const std::string& path) {
    const std::string text = text_of(path);
    EXPECT_FALSE(text.empty()) << path;
    return is_markdown(path) ? markdown_code(text) : man_code(text);
}

void expect_generated(const std::string& path,
                      const std::string& wanted,
                      const std::string& filter) {
    const char* update = std::getenv("ZREPD_UPDATE_DOCS");  // NOLINT(concurrency-mt-unsafe)
    if (update != nullptr) {
        std::ofstream out(std::string(ZREPD_SOURCE_DIR) + "/" + path, std::ios::trunc);
        out << wanted;
        ASSERT_TRUE(out.flush().good()) << path;
        return;
    }
    EXPECT_TRUE(text_of(path) == wanted)
        << path << ": what it is made from changed: run ZREPD_UPDATE_DOCS=1 zrepd_unit_tests "
        << "--gtest_filter='" << filter << "' and commit the file";
}

Names found(const std::string& text, const std::string& pattern) {
    Names out;
    const std::regex wanted(pattern);
    for (std::sregex_iterator it(text.begin(), text.end(), wanted), end; it != end; ++it) {
        out.insert(it->size() > 1 ? (*it)[1] : (*it)[0]);
    }
    return out;
}

}  // namespace zrepd::documents
