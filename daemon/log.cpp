// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "common/text.hpp"

namespace zrepd::log {
namespace {

/// The journal's priority prefix (sd-daemon(3)).
class Priority : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message,
                const std::tm&,
                spdlog::memory_buf_t& out) override {
        const std::string_view prefix = of(message.level);
        out.append(prefix.data(), prefix.data() + prefix.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<Priority>();
    }

  private:
    static std::string_view of(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical:
                return "<2>";
            case spdlog::level::err:
                return "<3>";
            case spdlog::level::warn:
                return "<4>";
            case spdlog::level::info:
                return "<6>";
            default:
                return "<7>";
        }
    }
};

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warn:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
        case Level::critical:
            return spdlog::level::critical;
    }
    return spdlog::level::info;
}

bool is_plain(std::string_view value) {
    return !value.empty() && value.size() <= kMaxValue &&
           std::all_of(value.begin(), value.end(), [](char c) {
               return c > ' ' && c != '"' && c != '\'' && c != '\\' && c != 0x7f;
           });
}

/// Commands in a remedy have single quotes, and shall be copied from a log as they are.
std::string in_quotes(std::string_view value) {
    std::string quoted = quote(value, kMaxValue);
    if (value.find('\'') == std::string_view::npos || value.find('"') != std::string_view::npos) {
        return quoted;
    }
    constexpr std::string_view kEscaped = "\\x27";
    std::string_view rest = std::string_view(quoted).substr(1, quoted.size() - 2);
    std::string out = "\"";
    for (auto at = rest.find(kEscaped); at != rest.npos; at = rest.find(kEscaped)) {
        out.append(rest.substr(0, at)).push_back('\'');
        rest.remove_prefix(at + kEscaped.size());
    }
    return out.append(rest) + '"';
}

}  // namespace

bool start(std::string_view level_name) {
    // Not stdout_logger_st(), which refuses a name that it has given away before.
    auto sink = std::make_shared<spdlog::sinks::stdout_sink_st>();
    auto logger = std::make_shared<spdlog::logger>("zrepd", std::move(sink));
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    // JOURNAL_STREAM is set by systemd when our output goes to the journal, which stamps lines
    // itself.
    const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    formatter->add_flag<Priority>('*').set_pattern(journal ? "%*%v"
                                                           : "%Y-%m-%dT%H:%M:%S.%eZ %l %v");
    logger->set_formatter(std::move(formatter));
    logger->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
    return set_level(level_name);
}

bool set_level(std::string_view level_name) {
    for (const Level level :
         {Level::debug, Level::info, Level::warn, Level::error, Level::critical}) {
        const auto name = spdlog::level::to_string_view(to_spdlog(level));
        if (level_name == std::string_view(name.data(), name.size()) ||
            (level == Level::warn && level_name == "warn")) {
            spdlog::set_level(to_spdlog(level));
            return true;
        }
    }
    return false;
}

void event(Level level, std::string_view name, std::initializer_list<Field> fields) {
    const auto to = to_spdlog(level);
    if (!spdlog::should_log(to)) return;
    std::string line(name);
    for (const auto& [key, value] : fields) {
        line += ' ';
        line += key;
        line += '=';
        line += is_plain(value) && is_utf8(value) ? value : in_quotes(value);
    }
    spdlog::log(to, "{}", line);
}

void flush() {
    spdlog::default_logger()->flush();
}

}  // namespace zrepd::log
