// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/gather.hpp"

namespace zrepd {

Task<> gather(TaskGroup& tasks, const std::size_t& left, Signal& done) {
    bool stop = co_await cancelled();
    while (left > 0 && !stop) {
        co_await done.wait();
        stop = co_await cancelled();
    }
    if (stop) tasks.cancel();
    co_await tasks.join();
}

}  // namespace zrepd
