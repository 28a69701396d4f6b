"""What the page of a search says, in its two languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunewheel.evaluation.messages import metric_name
from tunewheel.pages import Lang, Messages

if TYPE_CHECKING:
    from tunewheel.tuning.search.result import Tuned

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Search of settings for {name}", "{name} 的参数搜索"),
    "facts": (
        "{trials} trials ({pruned} ended early, {failed} failed), scored by {metric} on {rows} dev rows; "
        "test rows were not looked at.",
        "共 {trials} 次试验（提前终止 {pruned} 次，失败 {failed} 次），按 {rows} 条开发集样本的{metric}评分；"
        "未使用测试集样本。",
    ),
    "better": (
        "Measurably better than the defaults on dev: {after} against {before}, "
        "difference {change} [{low}, {high}] points.",
        "在开发集上可测地优于默认设置：{after} 对 {before}，差异 {change} [{low}, {high}] 个百分点。",
    ),
    "undecided": (
        "Not measurably better than the defaults, but more than a standard error ahead of them, so it is taken: "
        "{after} against {before}, difference {change} [{low}, {high}] points.",
        "未显示出可测的优势，但领先默认设置超过一个标准误，故予采用：{after} 对 {before}，"
        "差异 {change} [{low}, {high}] 个百分点。",
    ),
    "within": (
        "The defaults stay: the best is no more than a standard error ahead of them, as the luckiest of several is "
        "by chance: {after} against {before}, difference {change} [{low}, {high}] points.",
        "保留默认设置：最佳者领先不超过一个标准误，若干相当者中最幸运的一个也会如此：{after} 对 {before}，"
        "差异 {change} [{low}, {high}] 个百分点。",
    ),
    "worse": (
        "The defaults stay: on the rows taken together the best is worse: {after} against {before}, "
        "difference {change} [{low}, {high}] points.",
        "保留默认设置：合并样本后最佳者更差：{after} 对 {before}，差异 {change} [{low}, {high}] 个百分点。",
    ),
    "defaults": ("Nothing was found that is better than the defaults.", "没有找到优于默认设置的参数。"),
    "unmeasured": (
        "Better than the defaults in the search alone; the runs under fresh seeds failed, so nothing is measured.",
        "仅在搜索中优于默认设置；换随机种子的运行失败，因此无法判定。",
    ),
    "caution": (
        "The best was chosen on these dev rows, so its score here flatters it; the test rows of a training decide.",
        "最佳设置是依据这些开发集样本选出的，其得分偏高；应以训练后的测试集结果为准。",
    ),
    "finals": ("The best and the defaults under fresh seeds", "最佳设置与默认设置（更换随机种子）"),
    "finals note": (
        "Trained again under seeds that the search did not use; the mean decides. "
        "The interval is a paired bootstrap over dev rows, all seeds' answers taken together.",
        "用搜索中未使用的随机种子重新训练，以均值决定。区间为合并各种子结果后按开发集样本的配对自助法。",
    ),
    "trial": ("trial", "试验"),
    "mean": ("mean", "均值"),
    "seed": ("seed {seed}", "种子 {seed}"),
    "values": ("settings", "设置"),
    "is defaults": ("the defaults", "默认设置"),
    "is best": ("best", "最佳"),
    "history": ("Course of the search", "搜索过程"),
    "history note": ("Dev score of each trial, and the best so far.", "每次试验的开发集得分，以及当时的最佳得分。"),
    "best so far": ("best so far", "当前最佳"),
    "importances": ("What matters", "参数重要性"),
    "importances note": (
        "Share of the dev score's spread that a setting explains (fANOVA, a forest over finished trials). "
        "Rough with so few trials: read the order, not the digits.",
        "参数对开发集得分差异的解释比例（fANOVA，基于已完成试验的随机森林）。试验较少时仅供参考：看次序，不看数值。",
    ),
    "parallel": ("Settings side by side", "参数平行坐标图"),
    "parallel note": (
        "A line is a finished trial; the darker, the better.",
        "每条线是一次完成的试验；颜色越深，得分越高。",
    ),
    "slices": ("Score by setting", "各参数与得分"),
    "all trials": ("All trials", "全部试验"),
    "state": ("state", "状态"),
    "complete": ("finished", "完成"),
    "pruned": ("ended early", "提前终止"),
    "failed": ("failed", "失败"),
    "score": ("dev score", "开发集得分"),
    "time": ("time", "用时"),
    "seconds": ("{n} s", "{n} 秒"),
}
message = Messages(TEXT)


def verdict_line(tuned: Tuned, lang: Lang) -> str:
    """Whether the best beats the defaults, with both figures and the interval, in points of a hundred."""
    difference = tuned.difference
    if difference is None:
        return message("defaults" if tuned.best.trial is tuned.defaults.trial else "unmeasured", lang)
    points = {"change": f"{100 * difference.value:+z.1f}"}
    points |= {key: f"{100 * getattr(difference, key):+z.1f}" for key in ("low", "high")}
    shares = {key: f"{100 * getattr(difference, key):.1f}" for key in ("before", "after")}
    stay = tuned.chosen is tuned.defaults and difference.verdict != "worse"
    return message("within" if stay else difference.verdict, lang, **points, **shares)


def metric(tuned: Tuned, lang: Lang) -> str:
    """What the searched metric is called."""
    return metric_name(tuned.metric, lang, tuned.task.metric_names)
