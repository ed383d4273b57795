// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/failover_packed.hpp"

#include <algorithm>

namespace zrepd::test {
namespace {

using namespace failover;

/// Writes and reads the same fields in the same order.
class Packer {
  public:
    explicit Packer(Packed& bytes) : bytes_(bytes) {}
    void value(std::uint64_t v) { bytes_[at_++] = static_cast<std::uint8_t>(v); }
    void stored(const Stored& s) {
        value((s.master ? 1U : 0U) | (s.writable ? 2U : 0U) |
              (static_cast<unsigned>(s.journal) << 2U));
        value(s.epoch);
    }
    void side(const ModelSide& s) {
        stored(s.disk);
        value(s.base);
        value(s.data);
        value(s.sent);
        stored(s.machine.stored);
        stored(s.machine.goal);
        value(static_cast<unsigned>(s.machine.phase) | (s.machine.must_hear_peer ? 128U : 0U) |
              (s.unheard ? 64U : 0U));
        value(static_cast<unsigned>(s.under_way) | (s.asked ? 16U : 0U) |
              (static_cast<unsigned>(s.sync) << 5U) | (s.served ? 128U : 0U));
        value(s.heard_base);
        value(s.goal_base);
        value(s.syncing);
        value(s.back_to);
        value((s.back ? 1U : 0U) | (s.goal_back ? 2U : 0U));
        value(s.machine.take);
    }
    void message(const Message& m) {
        value(static_cast<unsigned>(m.kind) | (m.to != 0 ? 8U : 0U) | (m.awaited ? 16U : 0U) |
              (m.master ? 32U : 0U) | (m.back ? 64U : 0U));
        value(m.epoch);
        value(m.bits);
    }
    void world(const World& w) {
        side(w.sides[0]);
        side(w.sides[1]);
        for (const Message& m : w.messages) message(m);
        value(w.acked);
        value(w.written);
        value(w.rescued);
        value((w.forced ? 1U : 0U) | (w.by_hand ? 2U : 0U) | (w.went_back ? 4U : 0U) |
              (w.astray ? 8U : 0U));
        value(w.left.commands | (w.left.cuts << 4U));
        value(w.left.writes | (w.left.faults << 4U));
        value(w.left.backs);
    }

  private:
    Packed& bytes_;
    std::size_t at_ = 0;
};

class Unpacker {
  public:
    explicit Unpacker(const Packed& bytes) : bytes_(bytes) {}
    std::uint8_t value() { return bytes_[at_++]; }
    void stored(Stored& s) {
        const unsigned v = value();
        s = {.master = (v & 1U) != 0,
             .writable = (v & 2U) != 0,
             .epoch = value(),
             .journal = static_cast<Journal>(v >> 2U)};
    }
    void side(ModelSide& s) {
        stored(s.disk);
        s.base = value();
        s.data = value();
        s.sent = value();
        stored(s.machine.stored);
        stored(s.machine.goal);
        const unsigned phase = value();
        s.machine.phase = static_cast<Phase>(phase & 63U);
        s.unheard = (phase & 64U) != 0;
        s.machine.must_hear_peer = phase > 127U;
        const unsigned work = value();
        s.under_way = static_cast<ActionKind>(work & 15U);
        s.asked = (work & 16U) != 0;
        s.sync = static_cast<Sync>((work >> 5U) & 3U);
        s.served = (work & 128U) != 0;
        s.heard_base = value();
        s.goal_base = value();
        s.syncing = value();
        s.back_to = value();
        const unsigned back = value();
        s.back = (back & 1U) != 0;
        s.goal_back = (back & 2U) != 0;
        s.machine.take = value();
    }
    void message(Message& m) {
        const unsigned v = value();
        m.kind = static_cast<Message::Kind>(v & 7U);
        m.to = (v & 8U) != 0 ? 1 : 0;
        m.awaited = (v & 16U) != 0;
        m.master = (v & 32U) != 0;
        m.back = (v & 64U) != 0;
        m.epoch = value();
        m.bits = value();
    }
    World world() {
        World w;
        side(w.sides[0]);
        side(w.sides[1]);
        for (Message& m : w.messages) message(m);
        w.acked = value();
        w.written = value();
        w.rescued = value();
        const unsigned flags = value();
        w.forced = (flags & 1U) != 0;
        w.by_hand = (flags & 2U) != 0;
        w.went_back = (flags & 4U) != 0;
        w.astray = (flags & 8U) != 0;
        const unsigned often = value();
        const unsigned rare = value();
        w.left = {.commands = static_cast<std::uint8_t>(often & 15U),
                  .cuts = static_cast<std::uint8_t>(often >> 4U),
                  .writes = static_cast<std::uint8_t>(rare & 15U),
                  .faults = static_cast<std::uint8_t>(rare >> 4U),
                  .backs = value()};
        return w;
    }

  private:
    const Packed& bytes_;
    std::size_t at_ = 0;
};

}  // namespace

Packed packed(const World& world) {
    std::array<Packed, 2> ways{};
    World w = world;
    Packer(ways[0]).world(w);
    std::swap(w.messages[0], w.messages[1]);
    Packer(ways[1]).world(w);
    return std::min(ways[0], ways[1]);
}

World unpacked(const Packed& bytes) {
    return Unpacker(bytes).world();
}

}  // namespace zrepd::test
