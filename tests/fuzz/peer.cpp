// SPDX-License-Identifier: BSD-2-Clause
// Lines of a peer: its greeting, requests, replies and notifications, up to where one is acted on.
#include "common/rpc/doctor_types.hpp"
#include "common/rpc/message.hpp"
#include "common/rpc/peer_role_types.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/peer/methods.hpp"
#include "daemon/peer/wire.hpp"
#include "daemon/zfs/command.hpp"
#include "tests/fuzz/peer_frames.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

using rpc::Strictness;

/// What reads is what was written, and nothing of another shape.
template <class T>
void frame_check(const Json& json, Strictness strictness) {
    const auto read = rpc::decode_as<T>(json, strictness);
    if (!read) {
        expect(read.error().code == Code::invalid_params, "a wrong shape is told as such");
        return expect_error(read.error());
    }
    const Json written = rpc::encode(*read);
    const auto again = rpc::decode_as<T>(written, Strictness::request);
    expect(again && rpc::encode(*again) == written,
           "a message that is read, written and read is the same",
           dump_json(written));
}

template <class T>
std::string frame_example() {
    return dump_json(rpc::encode(filled<T>()));
}

struct Nothing {
    template <class Self, class V>
    static void fields(Self&, V&) {}
};

template <class In, class Out>
constexpr PeerFrame frame(std::string_view name) {
    return {name, frame_check<In>, frame_check<Out>, frame_example<In>, frame_example<Out>};
}

constexpr PeerFrame kFrames[] = {
    frame<peer::IdentifyIn, Nothing>(peer::kIdentify),
    frame<Nothing, Nothing>("peer.ping"),
    frame<rpc::LookIn, rpc::LookOut>("peer.look"),
    frame<rpc::TreeIn, rpc::TreeOut>("peer.tree"),
    frame<rpc::PrepareIn, rpc::PrepareOut>("peer.prepare"),
    frame<rpc::AdoptIn, rpc::AdoptOut>("peer.adopt"),
    frame<rpc::CommitIn, rpc::CommitOut>("peer.commit"),
    frame<rpc::LookIn, rpc::PeerExpireOut>("peer.expire"),
    frame<rpc::RollBackIn, rpc::RollBackOut>("peer.roll_back"),
    frame<rpc::FactsIn, rpc::FactsOut>("peer.facts"),
    frame<rpc::RolesIn, rpc::RolesOut>("peer.roles"),
    frame<rpc::LeaseIn, rpc::LeaseOut>("peer.lease"),
    frame<rpc::CheckIn, rpc::CheckOut>("peer.check"),
    frame<rpc::PromoteIn, rpc::PromoteOut>("peer.promote"),
    frame<rpc::HandOverIn, rpc::HandOverOut>("peer.hand_over"),
    frame<rpc::RefreshIn, rpc::HandOverOut>("peer.refresh"),
    frame<rpc::PeerRunIn, rpc::PeerRunOut>("peer.run"),
    frame<rpc::ReceiveIn, rpc::Received>(peer::kReceive),
};

const PeerFrame* find_frame(std::string_view name) {
    for (const PeerFrame& one : kFrames) {
        if (one.name == name) return &one;
    }
    return nullptr;
}

/// Of an argument list that a peer's words are in: none of them is an option.
void expect_words(const Result<command::Argv>& argv, std::string_view before) {
    if (!argv) return expect_error(argv.error());
    for (std::size_t i = 1; i < argv->size(); ++i) {
        if ((*argv)[i - 1] == before) expect_no_option((*argv)[i]);
    }
}

/// The settings that a first stream brings, as zfs would get them.
void check_receive(const Json& params) {
    const auto in = rpc::decode_as<rpc::ReceiveIn>(params, Strictness::request);
    if (!in) return;
    const auto target = DatasetName::parse(in->target);
    if (!target) return expect_error(target.error());
    const auto snapshot = SnapshotName::make(*target, in->snapshot);
    if (!snapshot) return expect_error(snapshot.error());
    ReceiveSpec spec{.snapshot = *snapshot};
    for (const auto& [key, value] : in->settings) spec.properties.emplace_back(key, value);
    expect_words(command::receive(spec), "-o");
}

void check_identify(const Json& params) {
    const auto in = rpc::decode_as<peer::IdentifyIn>(params, Strictness::request);
    if (!in) return;
    const auto host = HostName::parse(in->host);
    if (!host) return expect_error(host.error());
    expect_no_option(host->str());
    expect_no_option(host->short_name());
}

void check_request(const rpc::Request& request) {
    const PeerFrame* one = find_frame(request.method);
    if (one == nullptr) return;
    one->request(request.params, Strictness::request);
    if (request.method == peer::kReceive) check_receive(request.params);
    if (request.method == peer::kIdentify) check_identify(request.params);
}

void check_tokens(const Json& result) {
    const auto out = rpc::decode_as<rpc::LookOut>(result, Strictness::reply);
    if (!out) return;
    for (const rpc::TargetState& state : out->targets) {
        if (state.resume_token.empty()) continue;
        expect_words(command::token_info(state.resume_token), "-t");
        expect_words(command::send({.token = state.resume_token}), "-t");
    }
}

/// Which reply it is stands in its id: a fuzzer has no request to remember.
void check_reply(const rpc::Message& message) {
    if (message.error) {
        expect(!message.error->text().empty(), "an error of a peer says something");
        const auto again = rpc::parse_message(rpc::error_line(*message.id, *message.error));
        expect(again && again->error && again->error->code == message.error->code,
               "an error that is passed on is the same");
        return;
    }
    if (!message.id || !message.id->is_string()) return;
    const auto name = message.id->get<std::string>();
    const PeerFrame* one = find_frame(name);
    if (one == nullptr) return;
    one->reply(message.result, Strictness::reply);
    if (name == "peer.look") check_tokens(message.result);
}

void check_greeting(const std::string& line) {
    const auto hello = peer::parse_hello("beta", line);
    if (!hello) return expect(!hello.error().message.empty(), "a refused greeting says why");
    expect(hello->protocol == "1" || hello->protocol.starts_with("1.") ||
               parse_u64(hello->protocol.substr(0, hello->protocol.find('.'))) == 1,
           "only our protocol is spoken",
           hello->protocol);
}

void check_line(const std::string& line) {
    check_greeting(line);
    if (const auto request = rpc::parse_request(line)) {
        check_request(*request);
    } else {
        expect_error(request.error());
    }
    const auto message = rpc::parse_message(line);
    if (!message) return expect_error(message.error());
    if (message->method.empty()) return check_reply(*message);
    if (message->method == "stream.received") {
        frame_check<rpc::Received>(message->params, Strictness::reply);
    }
}

}  // namespace

std::span<const PeerFrame> peer_frames() {
    return kFrames;
}

int fuzz_peer(const std::uint8_t* data, std::size_t size) {
    for (const auto line : split(as_text(data, size), '\n')) check_line(std::string(line));
    return 0;
}

std::vector<std::string> peer_seeds(const std::string&) {
    std::vector<std::string> out{
        rpc::notification_line("hello",
                               rpc::encode(rpc::Hello{.protocol = std::string(rpc::kProtocol),
                                                      .version = "0.1.0",
                                                      .host = "beta",
                                                      .boot_id = "b",
                                                      .capabilities = {"c"},
                                                      .access = "peer"})),
        rpc::notification_line("stream.received", rpc::encode(filled<rpc::Received>())),
        rpc::error_line("peer.look", {.code = Code::busy, .message = "m", .remedy = "r"})};
    for (const PeerFrame& one : kFrames) {
        const std::string name(one.name);
        out.push_back(request_of(name, one.example_in()));
        out.push_back(R"({"jsonrpc":"2.0","id":")" + name + R"(","result":)" + one.example_out() +
                      "}\n");
    }
    return out;
}

std::vector<std::string> peer_words() {
    std::vector<std::string> out = message_words();
    for (const PeerFrame& one : kFrames) out.push_back("\"" + std::string(one.name) + "\"");
    for (const char* word : {"\"hello\"",
                             "\"stream.received\"",
                             "\"-o\"",
                             "\"1-9ce825824-b8-789c\"",
                             "\"zrep:src-fs\"",
                             "\"full\"",
                             "\"incremental\"",
                             "\"resume\""}) {
        out.emplace_back(word);
    }
    return out;
}

}  // namespace zrepd::fuzz
