// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/registry.hpp"

#include <gtest/gtest.h>

#include <set>

namespace zrepd::control {
namespace {

TEST(Registry, EveryMethodIsDescribed) {
    for (const Method& method : methods()) {
        SCOPED_TRACE(method.name);
        EXPECT_FALSE(method.summary.empty());
        EXPECT_FALSE(method.since.empty());
        EXPECT_EQ(method.in_schema()["type"], "object");
        EXPECT_EQ(method.in_schema()["additionalProperties"], false);
        EXPECT_EQ(method.out_schema()["type"], "object");
    }
}

TEST(Registry, NamesAreNounDotVerbAndUnique) {
    std::set<std::string_view> seen;
    for (const Method& method : methods()) {
        EXPECT_TRUE(seen.insert(method.name).second) << method.name;
        EXPECT_EQ(std::count(method.name.begin(), method.name.end(), '.'), 1) << method.name;
    }
}

TEST(Registry, EveryExampleDecodes) {
    for (const Method& method : methods()) {
        const auto params = parse_json(method.example);
        ASSERT_TRUE(params) << method.name;
        EXPECT_TRUE(method.check(*params)) << method.name;
    }
}

TEST(Registry, EveryMutationTakesDryRunAndRequestKey) {
    for (const Method& method : methods()) {
        if (!method.mutates()) continue;
        const Json schema = method.in_schema();
        // Whatever a look mounts is unmounted again: there is nothing to try dry.
        const bool looks = method.name == "rescue.diff" || method.name == "doctor.run";
        EXPECT_TRUE(looks || schema["properties"].contains("dry_run")) << method.name;
        EXPECT_TRUE(schema["properties"].contains("request_key")) << method.name;
    }
}

TEST(Registry, EveryMethodRefusesAnUnknownKeyAndNamesIt) {
    for (const Method& method : methods()) {
        auto params = parse_json(method.example);
        (*params)["surprise"] = 1;
        const auto checked = method.check(*params);
        ASSERT_FALSE(checked) << method.name;
        EXPECT_EQ(checked.error().code, Code::invalid_params);
        EXPECT_EQ(checked.error().message, "surprise: unknown key") << method.name;
    }
}

TEST(Registry, EveryMethodRefusesNullForEveryKey) {
    for (const Method& method : methods()) {
        const Json schema = method.in_schema();
        for (const auto& [key, ignored] : schema["properties"].items()) {
            auto params = parse_json(method.example);
            (*params)[key] = nullptr;
            const auto checked = method.check(*params);
            ASSERT_FALSE(checked) << method.name << " " << key;
            EXPECT_TRUE(checked.error().message.starts_with(key + ":")) << checked.error().message;
        }
    }
}

TEST(Registry, DiscoverListsEveryMethod) {
    const Json document = discover();
    EXPECT_EQ(document["openrpc"], "1.2.6");
    ASSERT_EQ(document["methods"].size(), methods().size());
    for (std::size_t i = 0; i < methods().size(); ++i) {
        EXPECT_EQ(document["methods"][i]["name"], methods()[i].name);
    }
    EXPECT_EQ(find_method("pair.init")->access, Access::admin);
    EXPECT_EQ(find_method("status.get")->access, Access::read);
    EXPECT_EQ(find_method("status.got"), nullptr);
}

}  // namespace
}  // namespace zrepd::control
