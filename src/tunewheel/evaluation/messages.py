"""What the report page says, in its two languages."""

from __future__ import annotations

from collections.abc import Mapping

from tunewheel.pages import Lang, Messages

METRICS: dict[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "准确率"),
    "exact_match": ("exact match", "完全匹配率"),
    "f1": ("F1", "F1"),
    "macro_f1": ("macro F1", "宏平均 F1"),
    "micro_f1": ("micro F1", "微平均 F1"),
    "weighted_f1": ("weighted F1", "加权 F1"),
    "precision": ("precision", "精确率"),
    "recall": ("recall", "召回率"),
    "auroc": ("AUROC", "AUROC"),
    "auprc": ("AUPRC", "AUPRC"),
    "in_scope_accuracy": ("in-scope accuracy", "范围内准确率"),
    "oos_recall": ("out-of-scope recall", "超出范围召回率"),
    "oos_precision": ("out-of-scope precision", "超出范围精确率"),
    "oos_auroc": ("out-of-scope AUROC", "超出范围 AUROC"),
    "oos_fpr95": ("out-of-scope FPR at 95 % TPR", "超出范围 FPR（TPR 为 95%）"),
    "token_accuracy": ("token accuracy (O counted in)", "词元准确率（含 O）"),
}

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Evaluation of {model}", "{model} 的评估报告"),
    "rows": ("{n} rows", "{n} 条样本"),
    "dataset": ("dataset {name}", "数据集 {name}"),
    "interval": ("95 % interval {low} – {high}", "95% 置信区间 {low} – {high}"),
    "wilson": ("Wilson interval", "Wilson 区间"),
    "bootstrap": ("bootstrap", "自助法"),
    "document bootstrap": ("bootstrap over documents", "按文档自助法"),
    "few": (
        "Only {n} independent {unit}: intervals other than Wilson's may be too narrow.",
        "仅有 {n} 个独立{unit}：除 Wilson 区间外，其余区间可能偏窄。",
    ),
    "unit rows": ("rows", "样本"),
    "unit documents": ("documents", "文档"),
    "resolves": (
        "{rows} rows resolve {points} points between two models; {needed} would resolve 1.0.",
        "{rows} 条样本可分辨两个模型之间 {points} 个百分点的差异；要分辨 1.0 个百分点约需 {needed} 条。",
    ),
    "comparison": ("{before} → {after}", "{before} → {after}"),
    "comparison note": (
        "Difference on the same rows: paired bootstrap interval (95 %), p of a permutation test. "
        "“Undecided” means that these rows show no difference, not that there is none.",
        "同一批样本上的差异：配对自助法 95% 区间与置换检验 p 值。“无法判定”表示这些样本未显示差异，并非没有差异。",
    ),
    "metric": ("metric", "指标"),
    "before": ("before", "之前"),
    "after": ("after", "之后"),
    "difference": ("difference", "差异"),
    "verdict": ("verdict", "结论"),
    "better": ("better", "更好"),
    "worse": ("worse", "更差"),
    "undecided": ("undecided", "无法判定"),
    "clean": ("Rows not seen in training", "训练集中未出现的样本"),
    "clean note": (
        "{seen} of {rows} texts also stand in the training data; the figures without them:",
        "{rows} 条文本中有 {seen} 条也出现在训练集中；去除后的结果：",
    ),
    "near note": (
        "({near} of them differ in case, punctuation or width only.)",
        "（其中 {near} 条仅大小写、标点或全半角不同。）",
    ),
    "privacy": ("Differential privacy", "差分隐私"),
    "privacy note": (
        "The weights are (ε = {epsilon}, δ = {delta})-differentially private for each {unit}; there are {units}.",
        "模型权重对{unit}满足（ε = {epsilon}，δ = {delta}）差分隐私，共 {units} 个隐私单位。",
    ),
    "unit row": ("training row", "每条训练样本"),
    "unit column": (
        "value of “{column}”, with all its training rows together",
        "“{column}”的每个取值（其全部训练样本合为一个单位）",
    ),
    "noise": ("noise multiplier σ", "噪声倍数 σ"),
    "clip": ("clipping norm", "裁剪范数"),
    "drawn": ("drawn for an update", "每次更新的抽样率"),
    "private updates": ("updates", "更新次数"),
    "accountant": ("accountant", "隐私核算"),
    "privacy covers": (
        "Covered are the training rows, as the weights tell of them. Dev rows, which chose the checkpoint and "
        "calibrated it, the set of labels and the number of units are not; nor is this page, whose figures of the "
        "training rows are exact.",
        "受保护的是权重所能泄露的训练样本信息。用于选择检查点和校准的 dev 样本、标签集合以及单位数量不在保护之内；"
        "本页也不在保护之内：其中关于训练样本的数字是精确值。",
    ),
    "privacy cost": ("What it costs in score", "隐私保护的代价"),
    "protected": ("with privacy", "有隐私保护"),
    "unprotected": ("without", "无隐私保护"),
    "membership": ("Can it be told which rows it learned from?", "能否看出模型学过哪些样本？"),
    "membership note": (
        "A row of low loss is taken for one of train (Yeom et al. 2018), train against test rows; an AUC of 50 is "
        "chance. At one false alarm in a hundred the guarantee lets no attack find more than {bound} % of them. This "
        "attack is a simple one: that it finds nothing proves nothing. Where test differs from train otherwise (in "
        "time, in its labels), it finds that too.",
        "损失低的样本被判为训练样本（Yeom 等，2018），以训练样本对测试样本；AUC 为 50 即等于随机猜测。"
        "在 1% 误报率下，该保证使任何攻击最多找出 {bound}% 的训练样本。此攻击较为简单：找不到并不能证明安全。"
        "若测试样本与训练样本另有差别（如时间、标签分布不同），结果也会反映这种差别。",
    ),
    "attack auc": ("AUC", "AUC"),
    "attack tpr": ("found at 1 % false alarms", "误报率 1% 时的检出率"),
    "attack rows": ("train / test rows", "训练/测试样本数"),
    "all rows": ("all {n} rows", "全部 {n} 条"),
    "clean rows": ("{n} clean rows", "{n} 条干净样本"),
    "labels": ("F1 by label", "各标签 F1"),
    "types": ("F1 by entity type", "各实体类型 F1"),
    "weakest": (
        "The {shown} weakest of {all}; the table below has all.",
        "{all} 个中最弱的 {shown} 个；完整列表见下表。",
    ),
    "full table": ("Table of all {n}", "全部 {n} 项"),
    "label": ("label", "标签"),
    "support": ("gold", "标注数"),
    "predicted": ("predicted", "预测数"),
    "gold": ("gold", "标注"),
    "answer": ("predicted", "预测"),
    "confusion": ("Confusion", "混淆矩阵"),
    "confusion note": (
        "Rows are gold, columns predicted; the shade is the share of the gold label, the figure the count.",
        "行为标注，列为预测；颜色深浅表示占该标注的比例，数字为数量。",
    ),
    "confused": ("The {shown} most confused of {all} labels.", "{all} 个标签中最易混淆的 {shown} 个。"),
    "share": ("share of gold", "占标注比例"),
    "slices": ("Parts of the rows", "分组结果"),
    "slices note": (
        "Difference of each part from all other rows in {metric}; p of a two-sample test, corrected for the number of "
        "parts (Holm). A part of fewer than {least} rows (or documents) is grey and gets no verdict.",
        "各组与其余全部样本在 {metric} 上的差异；p 为双样本检验结果，已按分组数作 Holm 校正。"
        "不足 {least} 条样本（或文档）的分组以灰色显示，不作结论。",
    ),
    "robustness": ("On changed rows", "扰动后的结果"),
    "robustness note": (
        "The rows each change touched, as they were and changed, and what the change cost: paired difference with its "
        "95 % interval. Labels stay the same throughout.",
        "每种扰动所改动的样本，改动前后分别评分；差异为配对差异及其 95% 区间。标签始终不变。",
    ),
    "change": ("change", "扰动"),
    "changed rows": ("rows changed", "改动样本数"),
    "example": ("example", "示例"),
    "untouched": ("no row changed", "没有样本被改动"),
    "typos": ("typos", "错别字"),
    "case lower": ("all lower case", "全部小写"),
    "case upper": ("all upper case", "全部大写"),
    "full_width full": ("full-width forms", "半角转全角"),
    "full_width half": ("half-width forms", "全角转半角"),
    "traditional": ("traditional characters", "繁体字"),
    "punctuation": ("no punctuation", "去掉标点"),
    "entities": ("other entities", "替换实体"),
    "slice": ("part", "分组"),
    "slice rows": ("rows", "样本数"),
    "too few": ("too few", "样本过少"),
    "whole": ("all rows", "全部样本"),
    "by length": ("length", "长度"),
    "by language": ("language", "语言"),
    "language zh": ("zh", "中文"),
    "language en": ("en", "英文"),
    "language mixed": ("mixed", "中英混合"),
    "language other": ("other", "其他"),
    "calibration": ("How far confidences may be believed", "置信度的可信程度"),
    "calibration note": (
        "Of the claims in a bin, the share that is right (dots) against their mean confidence; on the line both agree. "
        "Expected calibration error {ece} over {claims} claims.",
        "每个区间内判断的正确比例（圆点）与平均置信度；落在对角线上即二者一致。{claims} 个判断的期望校准误差为 {ece}。",
    ),
    "brier": ("Brier score {brier}.", "Brier 分数 {brier}。"),
    "claimed": ("mean confidence", "平均置信度"),
    "came true": ("share right", "正确比例"),
    "claims": ("claims", "判断数"),
    "worst": ("Most confident errors", "最自信的错误"),
    "worst note": ("{shown} of {all} wrong rows.", "{all} 条错误中的 {shown} 条。"),
    "other answers": ("Answers unlike the gold ones", "与标准答案不同的回答"),
    "other answers note": (
        "{shown} of {all} rows whose answer is not the gold one word for word; it may be as good.",
        "{all} 条与标准答案不完全一致的回答中的 {shown} 条；它们未必不好。",
    ),
    "no errors": ("No row is wrong.", "没有错误样本。"),
    "text": ("text", "文本"),
    "confidence": ("confidence", "置信度"),
    "none": ("none", "无"),
    "right": ("right", "正确"),
    "wrong": ("missed or wrong", "遗漏或错误"),
    "facts": ("Facts", "信息"),
    "model": ("model", "模型"),
    "task": ("task", "任务"),
    "fingerprint": ("dataset fingerprint", "数据集指纹"),
    "created": ("evaluated", "评估时间"),
    "speed": ("prediction time", "预测用时"),
    "speed value": ("{seconds} s ({rate} rows/s)", "{seconds} 秒（每秒 {rate} 条）"),
    "teacher": ("teacher", "教师模型"),
    "of teacher": ("share of the teacher's score", "达到教师得分的比例"),
    "of teacher value": ("{share} [{low}, {high}] ({metric})", "{share} [{low}, {high}]（{metric}）"),
    "rate": ("speed on one core", "单核速度"),
    "rate value": (
        "{student} texts/s, the teacher {teacher} (× {ratio})",
        "每秒 {student} 条，教师模型每秒 {teacher} 条（{ratio} 倍）",
    ),
    "latency": ("one text on one core", "单核单条延迟"),
    "latency value": ("{student} ms, the teacher {teacher} ms", "{student} 毫秒，教师模型 {teacher} 毫秒"),
    "size": ("size", "大小"),
    "size value": (
        "{student} M weights, {bytes} MB, the teacher {teacher} M, {others} MB",
        "{student} M 参数、{bytes} MB，教师模型 {teacher} M、{others} MB",
    ),
    "sampling": ("resamples, seed", "重采样次数、随机种子"),
}
message = Messages(TEXT)


def metric_name(metric: str, lang: Lang = "en", own: Mapping[str, tuple[str, str]] | None = None) -> str:
    """Name of a metric for people: the task's ``own``, else ours; an unknown one is shown with spaces.

    >>> metric_name("token_accuracy"), metric_name("mean_rank")
    ('token accuracy (O counted in)', 'mean rank')
    """
    names = (own or {}).get(metric) or METRICS.get(metric)
    return names[lang == "zh"] if names else metric.replace("_", " ")


def slice_name(name: str, value: str, lang: Lang) -> tuple[str, str]:
    """Name and value of a slice for people; those of the data's own columns stay as they are.

    >>> slice_name("language", "zh", "zh"), slice_name("channel", "app", "zh")
    (('语言', '中文'), ('channel', 'app'))
    """
    shown = message(f"by {name}", lang) if f"by {name}" in TEXT else name
    return shown, message(f"{name} {value}", lang) if f"{name} {value}" in TEXT else value
