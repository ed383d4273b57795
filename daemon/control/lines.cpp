// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/lines.hpp"

#include <algorithm>
#include <utility>

namespace zrepd::control {

void LineBuffer::append(std::string_view bytes) {
    bytes_.erase(0, start_);
    scanned_ -= start_;
    start_ = 0;
    bytes_.append(bytes);
}

std::optional<std::string> LineBuffer::take() {
    if (too_long_) return std::nullopt;
    const std::size_t end = bytes_.find('\n', scanned_);
    const std::size_t length = (end == bytes_.npos ? bytes_.size() : end) - start_;
    if (length > limit_) {
        too_long_ = true;
        return std::nullopt;
    }
    if (end == bytes_.npos) {
        scanned_ = bytes_.size();
        return std::nullopt;
    }
    std::string line = bytes_.substr(start_, length);
    start_ = scanned_ = end + 1;
    return line;
}

bool Outbox::push(std::string line, std::string topic) {
    if (!topic.empty()) {
        const auto older = std::find_if(
            queue_.begin(), queue_.end(), [&](const Item& item) { return item.topic == topic; });
        if (older != queue_.end()) {
            bytes_ -= older->line.size();
            queue_.erase(older);
        }
    }
    if (bytes_ > kMaxQueuedBytes || queue_.size() >= kMaxQueuedLines) return false;
    bytes_ += line.size();
    queue_.push_back({std::move(line), std::move(topic)});
    return true;
}

std::string Outbox::take() {
    std::string line = std::move(queue_.front().line);
    queue_.pop_front();
    bytes_ -= line.size();
    return line;
}

}  // namespace zrepd::control
