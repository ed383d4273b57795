// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/methods.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace zrepd::peer {
namespace {

TEST(PeerMethods, StandInTheProtocolsDocumentWithTheirSummary) {
    std::ifstream file(ZREPD_SOURCE_DIR "/docs/peer-protocol.md");
    std::stringstream text;
    text << file.rdbuf();
    for (const PeerMethod& method : peer_methods()) {
        std::string summary(method.summary);
        if (const auto at = summary.find("{}"); at != summary.npos) summary.replace(at, 2, "`{}`");
        const std::string row = "| `" + std::string(method.name) + "` | " + summary + " |";
        EXPECT_NE(text.str().find(row), std::string::npos) << row;
    }
}

TEST(PeerMethods, AreFoundByName) {
    EXPECT_NE(find_peer_method("peer.look"), nullptr);
    EXPECT_EQ(find_peer_method("peer.destroy"), nullptr);
}

}  // namespace
}  // namespace zrepd::peer
