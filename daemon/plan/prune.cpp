// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/prune.hpp"

#include <algorithm>

namespace zrepd::plan {

std::vector<Verdict> prune(const Versions& versions, Guid base, const Retention& retention) {
    const auto& all = versions.snapshots;
    const Snapshot* base_here = find_snapshot(versions, base);
    const std::set<Guid> kept = kept_by_grid(versions, retention.keep);
    std::vector<Verdict> out;
    std::size_t ours_newer = 0;  // counted from the newest down
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        const bool ours = zrep_sequence(it->name).has_value();
        if (ours) ++ours_newer;
        Verdict verdict{.snapshot = it->name, .destroy = false, .reason = "expired"};
        if (!ours)
            verdict.reason = "not ours";
        else if (base_here == nullptr)
            verdict.reason = "no common snapshot is known";
        else if (it->guid == base)
            verdict.reason = "base";
        else if (it->createtxg > base_here->createtxg)
            verdict.reason = "newer than the base";
        else if (retention.everything)
            verdict.reason = "zrep:keep cannot be read";
        else if (ours_newer <= retention.savecount)
            verdict.reason = "newest " + std::to_string(retention.savecount);
        else if (kept.contains(it->guid))
            verdict.reason = "kept by " + to_text(retention.keep);
        else if (it->held)
            verdict.reason = "held";
        else if (it->cloned)
            verdict.reason = "cloned";
        else
            verdict.destroy = true;
        out.push_back(std::move(verdict));
    }
    std::reverse(out.begin(), out.end());
    return out;
}

std::vector<std::string> to_destroy(const std::vector<Verdict>& verdicts) {
    std::vector<std::string> out;
    for (const Verdict& verdict : verdicts) {
        if (verdict.destroy) out.push_back(verdict.snapshot);
    }
    return out;
}

}  // namespace zrepd::plan
