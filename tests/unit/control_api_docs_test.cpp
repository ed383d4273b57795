// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>

#include "daemon/control/api_docs.hpp"
#include "tests/fakes/documents.hpp"

namespace zrepd::control {
namespace {

TEST(ApiDocs, ReferenceIsTheMethodTable) {
    documents::expect_generated("docs/control-api.md", control_api_markdown(), "ApiDocs.*");
}

TEST(ApiDocs, StatusSchemaIsTheStatusType) {
    documents::expect_generated(
        "docs/status.schema.json", pretty_json(status_schema()) + "\n", "ApiDocs.*");
}

}  // namespace
}  // namespace zrepd::control
