// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/watch.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <random>

#include "common/rpc/event_types.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Ages on the screen are in seconds.
constexpr milliseconds kTick{1000};
// Nobody reads faster, and a hundred filesystems may move at once.
constexpr milliseconds kDrawAtMostEvery{100};
// What an event has changed is asked for; of many together, once.
constexpr milliseconds kAskAtMostEvery{500};
// An answer that is as old as this may be of a zrepd that hangs.
constexpr milliseconds kAskAtLeastEvery{10'000};
// zrepd answers within 5 s; longer than this, no key would be heard.
constexpr milliseconds kAnswerLimit{6'000};
constexpr milliseconds kFirstPause{500};
constexpr milliseconds kLongestPause{5'000};
// Of one turn: keys and the screen have theirs.
constexpr int kEventsAtOnce = 1000;

volatile std::sig_atomic_t resized = 0;
volatile std::sig_atomic_t stopped = 0;

void on_resize(int) {
    resized = 1;
}

void on_stop(int) {
    stopped = 1;
}

/// Blocked but while we wait, as with SIGINT.
void catch_screen_signals() {
    sigset_t blocked;
    ::sigemptyset(&blocked);
    struct sigaction action = {};
    // After a stop nobody announced, the terminal is as the shell wanted it.
    const std::pair<int, void (*)(int)> all[] = {
        {SIGWINCH, on_resize}, {SIGCONT, on_resize}, {SIGTSTP, on_stop}};
    for (const auto& [number, handler] : all) {
        ::sigaddset(&blocked, number);
        action.sa_handler = handler;
        ::sigaction(number, &action, nullptr);
    }
    ::sigprocmask(SIG_BLOCK, &blocked, nullptr);  // NOLINT(concurrency-mt-unsafe): one thread
}

/// With up to a fifth more, so that not everyone who watches comes back at once.
milliseconds with_jitter(milliseconds pause) {
    static std::minstd_rand generator{std::random_device{}()};
    std::uniform_int_distribution<milliseconds::rep> more(0, pause.count() / 5);
    return pause + milliseconds(more(generator));
}

/// No answer, and none to be had on this connection.
bool is_gone(const Error& error) {
    return error.code == Code::daemon_unreachable || error.code == Code::timed_out ||
           error.code == Code::cancelled || error.code == Code::parse_error ||
           error.code == Code::peer_protocol;
}

class Watcher {
  public:
    Watcher(std::unique_ptr<Terminal> terminal,
            Client client,
            const std::string& socket,
            const std::vector<std::string>& names)
        : terminal_(std::move(terminal)), socket_(socket), names_(names) {
        client_.emplace(std::move(client));
    }

    /// 0, or the signal that ended it.
    int run() {
        if (client_) begin();
        while (!over_ && interrupted_by() == 0) {
            talk();
            take_signals();
            draw();
            if (!over_) wait();
            take_keys();
        }
        return interrupted_by();
    }

  private:
    /// The daemon's clock, as far as we know it: ages are by it.
    UnixSeconds now() const {
        const auto passed = Clock::now() - answered_at_;
        return said_at_ + std::chrono::duration_cast<std::chrono::seconds>(passed).count();
    }

    void talk() {
        if (!client_ && Clock::now() >= ask_at_) reconnect();
        if (client_) take_events();
        if (client_ && Clock::now() >= ask_at_) ask();
    }
    void reconnect() {
        auto client = Client::connect(socket_, /*read_only=*/true);
        if (!client) return lost(client.error());
        client_.emplace(std::move(*client));
        begin();
    }
    /// Subscribed first, so that nothing is missed between the answers and what follows.
    void begin() {
        auto subscribed = client_->call("events.subscribe", Json::object());
        if (!subscribed) return lost(subscribed.error());
        auto recent = client_->call_as<rpc::EventsOut>("events.recent", rpc::EventsIn{kLiveEvents});
        if (!recent) return lost(recent.error());
        take(live_, std::move(recent->events), names_);
        ask();
        if (client_) pause_ = kFirstPause;
    }
    void ask() {
        auto status = client_->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{names_});
        if (!status && is_gone(status.error())) return lost(status.error());
        answered_at_ = Clock::now();
        if (!status) {
            // It is there, and says what is wrong: that a filesystem is none any more, say.
            complain(live_, status.error());
            ask_at_ = answered_at_ + kAskAtLeastEvery;
            dirty_ = true;
            return;
        }
        said_at_ = from_rfc3339(status->time).value_or(said_at_);
        take(live_, std::move(*status));
        ask_at_ = answered_at_ + kAskAtLeastEvery;
        dirty_ = true;
    }
    void take_events() {
        for (int i = 0; i < kEventsAtOnce; ++i) {
            auto event = client_->next_event(milliseconds(0));
            if (!event && event.error().code == Code::timed_out) return;
            if (!event) return lost(event.error());
            if (fold(live_, *event, names_))
                ask_at_ = std::min(ask_at_, std::max(Clock::now(), answered_at_ + kAskAtMostEvery));
            dirty_ = true;
        }
    }
    /// Tries again, ever more rarely; what was known stays on the screen.
    void lost(const Error& error) {
        if (error.code == Code::cancelled) return;
        client_.reset();
        lose(live_, error.text(), now());
        ask_at_ = Clock::now() + with_jitter(pause_);
        pause_ = std::min(pause_ * 2, kLongestPause);
        dirty_ = true;
    }

    void take_signals() {
        if (stopped != 0) {
            stopped = 0;
            terminal_->stop();
            dirty_ = true;
        }
        if (resized != 0) {
            resized = 0;
            terminal_->resize();
            dirty_ = true;
        }
    }
    void draw() {
        const auto since = Clock::now() - drawn_at_;
        const bool due = dirty_ ? since >= kDrawAtMostEvery : since >= kTick;
        if (!due || over_) return;
        view_.columns = terminal_->columns();
        view_.rows = terminal_->rows();
        const Frame frame = render(live_, view_, now());
        view_.first = frame.first;
        page_ = frame.page;
        total_ = frame.total;
        terminal_->draw(frame.lines);
        drawn_at_ = Clock::now();
        dirty_ = false;
    }
    /// For a key, zrepd, a signal, or the next moment at which something is due.
    void wait() {
        const auto draw_at = drawn_at_ + (dirty_ ? kDrawAtMostEvery : kTick);
        const auto until = std::min(draw_at, ask_at_);
        const auto left = std::max(Clock::duration(0), Clock::duration(until - Clock::now()));
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec limit{.tv_sec = seconds.count(),
                             .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
        pollfd waits[2] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                           {.fd = client_ ? client_->fd() : -1, .events = POLLIN, .revents = 0}};
        sigset_t open;
        ::sigemptyset(&open);
        if (::ppoll(waits, 2, &limit, &open) <= 0) return;
        // The terminal is gone: there is nobody to show anything to.
        if ((waits[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) over_ = true;
    }
    void take_keys() {
        for (auto key = terminal_->key(); key && !over_; key = terminal_->key()) take_key(*key);
    }
    void take_key(Key key) {
        dirty_ = true;
        drawn_at_ = {};
        const auto up = [this](std::size_t lines) { view_.first -= std::min(view_.first, lines); };
        switch (key) {
            case Key::quit:
                over_ = true;
                break;
            case Key::help:
                view_.help = !view_.help;
                view_.first = 0;
                break;
            case Key::up:
                up(1);
                break;
            case Key::down:
                view_.first += 1;
                break;
            case Key::page_up:
                up(page_);
                break;
            case Key::page_down:
                view_.first += page_;
                break;
            case Key::first:
                view_.first = 0;
                break;
            case Key::last:
                view_.first = total_;
                break;
            case Key::order:
                view_.by_name = !view_.by_name;
                view_.first = 0;
                break;
            case Key::redraw:
                terminal_->redraw();
                break;
            case Key::other:
                break;
        }
    }

    std::unique_ptr<Terminal> terminal_;
    std::optional<Client> client_;  ///< none while zrepd is away
    std::string socket_;
    std::vector<std::string> names_;
    Live live_;
    View view_;
    std::size_t page_ = 1;
    std::size_t total_ = 0;
    Clock::time_point answered_at_ = Clock::now();
    /// The daemon's clock then; until it has said so, ours.
    UnixSeconds said_at_ = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    Clock::time_point ask_at_ = {};  ///< for the status, or for a zrepd
    Clock::time_point drawn_at_ = {};
    milliseconds pause_ = kFirstPause;
    bool dirty_ = true;
    bool over_ = false;
};

}  // namespace

int watch_live(std::unique_ptr<Terminal> terminal,
               Client client,
               const std::string& socket,
               const std::vector<std::string>& names) {
    call_limit = kAnswerLimit;
    catch_interrupt({SIGTERM, SIGHUP, SIGQUIT});
    catch_screen_signals();
    int number = 0;
    {
        Watcher watcher(std::move(terminal), std::move(client), socket, names);
        number = watcher.run();
    }
    if (number == 0 || number == SIGINT) return kDone;
    end_by(number);
    return kFailed;
}

}  // namespace zrepd::ctl
