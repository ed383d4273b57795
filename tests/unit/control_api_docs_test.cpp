// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "daemon/control/api_docs.hpp"

namespace zrepd::control {
namespace {

constexpr const char* kRegenerate =
    "the method table changed: run ZREPD_UPDATE_DOCS=1 zrepd_unit_tests "
    "--gtest_filter='ApiDocs.*' and commit the file";

/// Compares with the committed file, or writes it when asked to.
void expect_committed(const std::string& file, const std::string& wanted) {
    const std::string path = std::string(ZREPD_SOURCE_DIR) + "/docs/" + file;
    if (std::getenv("ZREPD_UPDATE_DOCS") != nullptr) {
        std::ofstream out(path, std::ios::trunc);
        out << wanted;
        ASSERT_TRUE(out.flush().good()) << path;
        return;
    }
    std::ifstream in(path);
    std::stringstream committed;
    committed << in.rdbuf();
    EXPECT_TRUE(committed.str() == wanted) << file << ": " << kRegenerate;
}

TEST(ApiDocs, ReferenceIsTheMethodTable) {
    expect_committed("control-api.md", control_api_markdown());
}

TEST(ApiDocs, StatusSchemaIsTheStatusType) {
    expect_committed("status.schema.json", pretty_json(status_schema()) + "\n");
}

}  // namespace
}  // namespace zrepd::control
