// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/verb_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include "common/text.hpp"

namespace zrepd::test {
namespace {

constexpr std::string_view kAny = "...";

std::vector<std::string> words_of(std::string_view line, char separator) {
    std::vector<std::string> out;
    for (const auto word : split(line, separator))
        if (!trim(word).empty()) out.emplace_back(trim(word));
    return out;
}

std::vector<std::string_view> parts_of(std::string_view pattern) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at != pattern.npos;) {
        const auto end = pattern.find(kAny, at);
        out.push_back(pattern.substr(at, end == pattern.npos ? end : end - at));
        at = end == pattern.npos ? end : end + kAny.size();
    }
    return out;
}

/// One file, line by line: how far a line is indented says what it is.
class Reader {
  public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    void take(const std::string& line) {
        ++number_;
        if (trim(line).empty() || line.front() == '#') return;
        const auto indent = line.find_first_not_of(' ');
        if (indent == 0)
            add(states_, words_of(line, ','), Part::states);
        else if (indent == 2)
            add(verbs_, words_of(line, ' '), Part::verbs);
        else
            add_outcome(std::string(trim(line)));
    }

    std::vector<Row> rows;

  private:
    enum class Part { states, verbs, outcome };
    /// Several lines of a kind are one list.
    void add(std::vector<std::string>& to, std::vector<std::string> more, Part part) {
        if (last_ != part) to.clear();
        to.insert(to.end(), more.begin(), more.end());
        last_ = part;
    }
    void add_outcome(const std::string& line) {
        static const std::regex kOutcome(R"((\d+)(?: \(dry run (\d+)\))?: (.+))");
        std::smatch found;
        const bool more = last_ == Part::outcome && !rows.empty();
        if (more && line.starts_with("next: ")) {
            rows.back().next = line.substr(6);
        } else if (more && line.starts_with("dry next: ")) {
            rows.back().dry_next = line.substr(10);
        } else if (std::regex_match(line, found, kOutcome) && last_ == Part::verbs) {
            Row row;
            row.at = file_ + ":" + std::to_string(number_);
            row.states = states_;
            row.verbs = verbs_;
            row.exit_status = std::stoi(found[1]);
            if (found[2].matched) row.dry_exit_status = std::stoi(found[2]);
            row.said = found[3];
            rows.push_back(std::move(row));
        } else {
            ADD_FAILURE() << file_ << ":" << number_ << ": " << line;
        }
        last_ = Part::outcome;
    }

    std::string file_;
    int number_ = 0;
    std::vector<std::string> states_;
    std::vector<std::string> verbs_;
    Part last_ = Part::outcome;
};

}  // namespace

std::vector<Row> read_verb_table() {
    std::vector<Row> out;
    const std::filesystem::path folder = ZREPD_SOURCE_DIR "/tests/data/verbs";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        Reader reader(entry.path().filename().string());
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) reader.take(line);
        out.insert(out.end(), reader.rows.begin(), reader.rows.end());
    }
    return out;
}

bool says(std::string_view text, std::string_view pattern) {
    if (pattern == kNothing) return trim(text).empty();
    for (const auto part : parts_of(pattern)) {
        const auto at = text.find(part);
        if (at == text.npos) return false;
        text.remove_prefix(at + part.size());
    }
    return true;
}

std::size_t longest_part(std::string_view pattern) {
    std::size_t out = 0;
    for (const auto part : parts_of(pattern)) out = std::max(out, trim(part).size());
    return out;
}

}  // namespace zrepd::test
