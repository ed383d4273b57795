// SPDX-License-Identifier: BSD-2-Clause
// Figures as text: OpenMetrics 1.0, and Prometheus' own format 0.0.4, which is all that
// node_exporter reads. They name counters and infos differently. Pure.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace zrepd::metrics {

enum class Format { open_metrics, prometheus };

enum class Kind { gauge, counter, info, summary, histogram };

/// "gauge", "counter" and so on, as OpenMetrics calls them.
std::string_view name(Kind kind);

/// What all samples of one name have in common. Its name ends with its unit, and has neither _total
/// nor _info, which the samples have.
struct Family {
    std::string_view name;
    Kind kind;
    std::string_view unit;    ///< "seconds", "bytes" or empty
    std::string_view labels;  ///< for the documentation: "dataset, operation"
    std::string_view help;    ///< one line
};

/// The name under which one finds the samples: with _total or _info. Of a summary or histogram the
/// family's, to which _sum, _count and _bucket are added.
std::string sample_name(const Family& family);

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Writes family by family: begin(), then its samples.
class TextWriter {
  public:
    explicit TextWriter(Format format) : format_(format) {}

    void begin(const Family& family);
    /// Of the family that was begun. Any bytes may stand in a label's value.
    void sample(Labels labels, std::uint64_t value);
    void sample(Labels labels, std::int64_t value);
    void sample(Labels labels, double value);
    /// The same with one of _sum, _count and _bucket.
    void sample(std::string_view suffix, Labels labels, std::uint64_t value);
    void sample(std::string_view suffix, Labels labels, double value);
    /// The whole text; nothing more can be written.
    std::string finish() &&;

  private:
    void line(std::string_view suffix, Labels labels, std::string_view value);

    Format format_;
    std::string name_;  ///< of the samples
    std::string out_;
};

/// "0.5", "1.0", "+Inf": as a bucket's limit has to be written.
std::string limit_text(double limit);

}  // namespace zrepd::metrics
