"""What the comparison says, in its two languages."""

from __future__ import annotations

from tunewheel.data.chinese import TASKS
from tunewheel.evaluation.intervals import SMALL
from tunewheel.evaluation.messages import metric_name
from tunewheel.pages import Lang, Messages, Sentences
from tunewheel.tasks import Task
from tunewheel.tuning.climbing.advice import MARGIN, Advice, Rung
from tunewheel.tuning.climbing.curve import POINTS, Curve
from tunewheel.tuning.climbing.ladder import Climb, Left
from tunewheel.tuning.climbing.subsets import FEWEST

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Roads compared: {data}", "方法比较：{data}"),
    "judged dev": ("judged on {n} dev rows", "以 {n} 条开发集样本评判"),
    "judged crossed": ("judged on {n} train rows by cross-fitting", "以 {n} 条训练样本交叉拟合评判"),
    "spent": ("{spent} of {minutes} minutes used", "已用 {minutes} 分钟中的 {spent}"),
    "advice": ("Recommendation", "建议"),
    "advice tiny": (
        "Nothing can be told: {n} independent rows to judge on are too few (at least {least} are needed).",
        "无法判断：用于评判的独立样本只有 {n} 个，太少（至少需要 {least} 个）。",
    ),
    "advice none": ("Nothing can be told: no method got through.", "无法判断：没有方法跑完。"),
    "advice only": ("{method}: the only method that got through.", "{method}：唯一跑完的方法。"),
    "advice cheaper": (
        "{method}: not measurably worse than {best} ({difference}), at {share} of its cost ({cost} instead of {dear}).",
        "{method}：并不明显差于 {best}（{difference}），成本只有它的 {share}（{cost}，而非 {dear}）。",
    ),
    "advice best": (
        "{method}: the best score, and every cheaper method is measurably worse ({others}).",
        "{method}：得分最高，更便宜的方法都明显更差（{others}）。",
    ),
    "advice unsure": (
        "{method}: the best score, though these rows do not settle it; a cheaper method may be as good or lose more "
        "than {margin} points ({others}).",
        "{method}：得分最高，但这些样本不足以定论；更便宜的方法可能一样好，"
        "也可能差 {margin} 个百分点以上（{others}）。",
    ),
    "advice cheapest": (
        "{method}: the best score, and no other method costs markedly less.",
        "{method}：得分最高，也没有明显更便宜的方法。",
    ),
    "gain": (
        "Labelling twice as many ({rows} rows) projects {value} points [{low}, {high}] for {method}.",
        "标注量翻倍（{rows} 条）预计使 {method} 提高 {value} 个百分点 [{low}, {high}]。",
    ),
    "no gain": (
        "Labelling twice as many ({rows} rows) projects no gain that could be told from none for {method}: "
        "{value} points [{low}, {high}].",
        "标注量翻倍（{rows} 条）对 {method} 看不出提升：{value} 个百分点 [{low}, {high}]。",
    ),
    "no curve": (
        "What more labels would bring is not known: a learning curve needs {least} sizes of {fewest} rows or more, "
        "and the rows or the time did not give them.",
        "更多标注能带来多少尚不清楚：学习曲线至少需要 {least} 个规模（各不少于 {fewest} 条），样本或时间不够。",
    ),
    "test": (
        "{method} on the test split, looked at once and for this method alone: {metric} {score}.",
        "{method} 在测试集上（只看一次，且只看这一个方法）：{metric} {score}。",
    ),
    "no test": (
        "There is no test split: nothing says what the choice itself has flattered.",
        "没有测试集：无从得知选择本身美化了多少。",
    ),
    "earlier": (
        "An earlier call scored {methods} on test too: this is not the first look at it.",
        "先前的运行也在测试集上评过 {methods}：这不是第一次看测试集。",
    ),
    "next": ("the command that trains it", "训练它的命令"),
    "methods": ("Methods", "各方法"),
    "methods note": (
        "Score with its 95 % interval; difference from the best on the same rows (paired bootstrap). Gradient methods "
        "chose their checkpoint on dev as well, so dev flatters them a little. Cost: seconds to train once and to "
        "answer {answered} texts. One text: median and 95th percentile, each asked alone; texts/s in batches.",
        "得分附 95% 区间；差异为同一批样本上与最佳者之差（配对自助法）。"
        "梯度方法也用开发集挑选检查点，故开发集得分略偏乐观。"
        "成本：训练一次并回答 {answered} 条文本的秒数。单条耗时：逐条提问的中位数与第 95 百分位；每秒文本数为批量。",
    ),
    "methods note crossed": (
        "Score with its 95 % interval; difference from the best on the same rows (paired bootstrap). Every row was "
        "answered by a model that had not learned from it; seconds are for all folds together. Cost: seconds to train "
        "and to answer {answered} texts.",
        "得分附 95% 区间；差异为同一批样本上与最佳者之差（配对自助法）。"
        "每条样本都由未学过它的模型回答；秒数为各折之和。"
        "成本：训练并回答 {answered} 条文本的秒数。",
    ),
    "method": ("method", "方法"),
    "difference": ("against the best", "与最佳之差"),
    "verdict": ("verdict", "结论"),
    "better": ("better", "更好"),
    "worse": ("worse", "更差"),
    "undecided": ("undecided", "无法判定"),
    "highest": ("best", "最佳"),
    "advised": ("advised", "建议"),
    "seconds": ("training", "训练"),
    "cost": ("cost", "成本"),
    "trainable": ("learn", "可训练参数"),
    "size": ("on disk", "磁盘占用"),
    "latency": ("one text", "单条耗时"),
    "per second": ("texts/s", "每秒文本数"),
    "left": ("Not in the table", "未列入的方法"),
    "left refused": ("of no use for this task: {reason}", "不适用于该任务：{reason}"),
    "left texts": (
        "learns from texts without labels too: --unlabelled FILE",
        "还要从无标签文本中学习：--unlabelled FILE",
    ),
    "left unusable": ("cannot be used here: {reason}", "此处无法使用：{reason}"),
    "left time": (
        "did not fit into {minutes} minutes: about {seconds} needed",
        "{minutes} 分钟内跑不完：约需 {seconds}",
    ),
    "left unbegun": ("not begun: the {minutes} minutes were over", "未开始：{minutes} 分钟已用完"),
    "picture": ("Score against cost", "得分与成本"),
    "cost axis": ("cost in seconds (logarithmic)", "成本（秒，对数刻度）"),
    "curve": ("Learning curve", "学习曲线"),
    "curve note": (
        "Score against labelled rows, on nested parts of the training rows. The line is score = a − b·n^−c for "
        "{method}, the band its 95 % interval: a bootstrap over the rows judged on, and noise as large as the fit's "
        "own misses. Right of the last dot it is a projection.",
        "得分随标注量的变化，取训练样本的嵌套子集。曲线为 {method} 的 score = a − b·n^−c，色带为 95% 区间："
        "对评判样本自助抽样，并加上与拟合残差同样大的噪声。最后一个点右侧为外推。",
    ),
    "rows": ("labelled rows", "标注样本数"),
    "fit": ("fit", "拟合"),
    "band": ("95 % band", "95% 色带"),
}
message = Messages(TEXT)

REFUSED = Sentences(
    {
        "it learns from answers that were liked less": "它从较不受欢迎的回答中学习",
        "it pairs whole texts by their labels": "它按标签把整段文本两两配对",
        "it labels whole texts, not places in them": "它给整段文本打标签，而不是其中的位置",
        "its generator makes up whole single texts": "其生成器只编造单段完整文本",
        "it goes by how sure a model is of a single text's answer": "它依据模型对单段文本回答的把握程度",
        "a label's name says what a whole text is about; {:said} asks for more": (
            "标签名称只说明整段文本的内容；{}任务要求更多"
        ),
        "it compares two texts, and a row of this task holds one": "它比较两段文本，而此任务每条样本只有一段",
        "it does not say how a language model is asked for it (`Task.prompt`)": (
            "任务未说明如何向语言模型提问（`Task.prompt`）"
        ),
        "its answers are texts, which this method does not teach to write": "其回答是文本，而此方法不教书写",
        **TASKS,
    }
)
"""Why a method is of no use for a task, by what the method says in English."""


def metric(task: Task, lang: Lang) -> str:
    """The figure that methods are judged by, for people."""
    return metric_name(task.headline[0], lang, task.metric_names)


def reasons(climb: Climb, lang: Lang = "en") -> list[str]:
    """The advice with its reason, and what more labels would bring."""
    told = [advised(climb.advice, climb.units, lang)]
    if climb.rungs:
        told.append(
            gained(climb.curve, lang) if climb.curve else message("no curve", lang, least=POINTS, fewest=FEWEST)
        )
    return told


def advised(advice: Advice, units: int, lang: Lang = "en") -> str:
    """Which method to take, and by which part of the rule."""
    values: dict[str, object] = {
        "n": f"{units:,}",
        "least": SMALL,
        "method": advice.method,
        "margin": f"{100 * MARGIN:g}",
    }
    if advice.best and advice.others:
        first = advice.others[0]
        values |= {
            "best": advice.best.method,
            "difference": points(first),
            "share": f"{first.cost / advice.best.cost:.0%}",
            "cost": duration(first.cost, lang),
            "dear": duration(advice.best.cost, lang),
            "others": ("，" if lang == "zh" else ", ").join(f"{each.method} {points(each)}" for each in advice.others),
        }
    return message(f"advice {advice.why}", lang, **values)


def gained(curve: Curve | None, lang: Lang = "en") -> str:
    """What twice as many labelled rows project."""
    gain = curve.gain if curve else None
    if curve is None or gain is None:
        return message("no curve", lang, least=POINTS, fewest=FEWEST)
    shown = {name: f"{100 * value:+z.1f}" for name, value in gain._asdict().items() if name != "rows"}
    return message("gain" if gain.claimed else "no gain", lang, method=curve.method, rows=f"{2 * gain.rows:,}", **shown)


def left_out(left: Left, minutes: float, lang: Lang = "en") -> str:
    """Why a method is no rung."""
    if left.why != "time":
        return message(f"left {left.why}", lang, reason=REFUSED(left.reason, lang))
    if left.seconds is None:
        return message("left unbegun", lang, minutes=f"{minutes:g}")
    return message("left time", lang, minutes=f"{minutes:g}", seconds=duration(left.seconds, lang))


def points(rung: Rung) -> str:
    """The difference from the best in points of a hundred."""
    d = rung.difference
    return "" if d is None else f"{100 * d.value:+z.1f} [{100 * d.low:+z.1f}, {100 * d.high:+z.1f}]"


def duration(seconds: float, lang: Lang = "en") -> str:
    """Seconds for people.

    >>> duration(0.31), duration(42.4), duration(600), duration(90, "zh")
    ('0.3 s', '42 s', '10 min', '1.5 分钟')
    """
    if seconds < 60:
        number = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
        return f"{number} {'秒' if lang == 'zh' else 's'}"
    return f"{float(f'{seconds / 60:.2g}'):,g} {'分钟' if lang == 'zh' else 'min'}"


def bytes_of(size: int) -> str:
    """A size on disk for people.

    >>> bytes_of(90_400_000), bytes_of(81_000)
    ('90 MB', '81 kB')
    """
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"


def milliseconds(rung: Rung) -> str:
    """How long one text takes: median and 95th percentile."""
    return f"{1000 * rung.latency.median:.3g}, {1000 * rung.latency.p95:.3g} ms"
