// SPDX-License-Identifier: BSD-2-Clause
// The places for streams that run at once, of all runs. Thread: io thread. Errors: none. Who gets
// the next one: plan/places.hpp.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/plan/places.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

class StreamPlaces {
    struct Turn;

  public:
    /// `sends`: by which others end a wait as they do a stream.
    StreamPlaces(asio::any_io_executor executor, std::size_t count, Streams& sends)
        : executor_(std::move(executor)), count_(count), sends_(sends) {}

    /// Gives the place back when it goes out of scope.
    class Place {
      public:
        Place() = default;
        Place(StreamPlaces* owner, std::shared_ptr<Turn> turn)
            : owner_(owner), turn_(std::move(turn)) {}
        Place(Place&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), turn_(std::move(other.turn_)) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(turn_, other.turn_);
            return *this;
        }
        ~Place() {
            if (owner_ != nullptr) owner_->leave(turn_);
        }

      private:
        StreamPlaces* owner_ = nullptr;
        std::shared_ptr<Turn> turn_;
    };

    /// For the stream of this dataset. Errors: cancelled, by a stop or through `sends`.
    Task<Result<Place>> acquire(plan::Stream stream, DatasetName dataset);
    /// To whom there may be something to send at any moment, as far as is known now.
    void know(std::set<HostName> peers);

  private:
    void let_in();
    void leave(const std::shared_ptr<Turn>& turn);

    asio::any_io_executor executor_;
    std::size_t count_;
    Streams& sends_;
    std::vector<std::shared_ptr<Turn>> taken_;
    std::vector<std::shared_ptr<Turn>> waiting_;
    std::set<HostName> peers_;
};

}  // namespace zrepd::sync
