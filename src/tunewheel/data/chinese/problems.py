"""What problems say was expected, what was found and what to do, by their English template.

See `tunewheel.pages.Sentences` for the braces.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPECTED: Mapping[str, str] = {
    "rows": "若干行数据",
    "a text": "文本",
    "a prompt": "提示",
    "an answer": "回答",
    "a label": "标签",
    "a date": "日期",
    "a date, as the file has {:said}": "日期（该文件用的是{}）",
    "a date (2018-05-11, 2018年5月11日, seconds since 1970)": "日期（2018-05-11、2018年5月11日或自 1970 年起的秒数）",
    "a list of tokens": "词的列表",
    "tokens that make a text": "能组成文本的词",
    "tokens that stand in '{}'": "出现在“{}”列中的词",
    "a label (a string or a whole number)": "标签（字符串或整数）",
    "a number that {} names": "{} 中有名称的编号",
    "a list of labels": "标签列表",
    "a list of {:d} tags": "{} 个标签的列表",
    "tags such as O or B-PER": "形如 O 或 B-PER 的标签",
    "a tag of IOB, BIOES or BMES, such as O or B-PER": "IOB、BIOES 或 BMES 标签，如 O 或 B-PER",
    "{:d} tags, one a token, at {}:{:d}": "{} 个标签（每词一个），在 {}:{}",
    "entities of some characters": "至少含一个字符的实体",
    "a list of entities": "实体列表",
    "an entity": "实体",
    "start and end as whole numbers": "整数的 start 与 end",
    "an entity with a label": "带标签的实体",
    "start < end": "start < end",
    "a span inside the text's {:d} characters": "文本 {} 个字符以内的区间",
    "{} at {:d}:{:d}": "{1}:{2} 处的 {0}",
    "a list of messages": "消息列表",
    "a message whose role is {}": "角色（role）为 {} 之一的消息",
    "a message's content": "消息的内容（content）",
    "a system message only before the others": "system 消息只在其他消息之前",
    "messages that end with the assistant's": "以 assistant 结尾的消息",
    "two texts to compare": "两段待比较的文本",
    "a JSON object": "JSON 对象",
    "{:d} fields": "{} 个字段",
    "{:d} fields as in the header": "与表头相同的 {} 个字段",
    "{:d} columns": "{} 列",
    "fields quoted as RFC 4180 has it": "按 RFC 4180 加引号的字段",
    "a header and rows": "表头与数据行",
    "a header line": "表头行",
    "a text and a label in every line, such as 'text@label' or 'label,text'": (
        "每行一条文本和一个标签，如“text@label”或“label,text”"
    ),
    "a text and a label, parted by {}": "以 {} 分隔的文本与标签",
    "as many lines in {} as in {}": "{} 与 {} 行数相同",
    "whole rows": "完整的行",
    "UTF-8": "UTF-8",
    "text": "文本文件",
    "{} text": "{} 文本",
    "a Parquet file": "Parquet 文件",
    "a file": "文件",
    "a file or a folder": "文件或文件夹",
    "a file, a folder or a data set of the Hugging Face hub": "文件、文件夹或 Hugging Face hub 数据集",
    "a file beside it with a line of tags or a label for each of its lines": "旁边另有一个文件，逐行给出标签",
    "JSON Lines, CSV, TSV, CoNLL columns or Parquet": "JSON Lines、CSV、TSV、CoNLL 列格式或 Parquet",
    "a .jsonl, .csv or .tsv file": ".jsonl、.csv 或 .tsv 文件",
    "jsonl, csv, tsv or lines": "jsonl、csv、tsv 或 lines",
    "two texts and a label a row": "每行两段文本和一个标签",
    "a key for the split {}": "划分 {} 的键",
    "a train split": "train 划分",
    "one file for {}": "{} 只有一个文件",
    "at least one split": "至少一个划分",
    "the columns of the first row": "第一行已有的列",
    "a column of this name ({})": "已有的列（由 {} 指定）",
    "a column of this name (--{})": "已有的列（由 --{} 指定）",
    "a column that is plainly the {}": "可明确认定为 {} 的列",
    "a column of entities, or of tokens and tags": "实体列，或词与标签列",
    "a column of {}": "{} 列",
    "a column of {} for {}": "{1} 任务所用的 {0} 列",
    "a label, a list of labels or a list of entities": "标签、标签列表或实体列表",
    "no column of labels: plain text has none": "不指定标签列：纯文本没有标签",
    "a value": "值",
    "one text": "一段文本",
    "a text that answers the query, or several": "一段或多段能回答该查询的文本",
    "texts that do not answer the query": "不能回答该查询的文本",
    "a stored dataset": "已保存的数据集",
    "sha256 {}…": "sha256 {}…",
    "the package opencc": "opencc 包",
    "a database of {}": "{} 数据库",
    "a database file": "数据库文件",
    "rows of a query": "查询返回的行",
    "a path, or {} and a query": "路径，或 {} 与查询",
    "dialect://user@host/database": "dialect://user@host/database",
    "the database's driver": "数据库驱动",
}

_JSON: dict[str, str] = {
    "invalid JSON ({:said})": "无效的 JSON（{}）",
    "invalid JSON ({:said} at character {:d})": "无效的 JSON（第 {1} 个字符处：{0}）",
    "invalid JSON (nested too deep)": "无效的 JSON（嵌套过深）",
    "a key in quotes and a colon are missing": "缺少带引号的键与冒号",
    # what Python's `json` and `csv` say
    "{:said}: line {:d} column {:d} (char {:d})": "第 {1} 行第 {2} 列（字符 {3}）：{0}",
    "Expecting value": "缺少值",
    "Extra data": "多余的内容",
    "Expecting ',' delimiter": "缺少逗号",
    "Expecting ':' delimiter": "缺少冒号",
    "Expecting property name enclosed in double quotes": "缺少带双引号的键",
    "Illegal trailing comma before end of object": "对象末尾多了逗号",
    "Illegal trailing comma before end of array": "数组末尾多了逗号",
    "Unterminated string starting at": "字符串没有结束",
    "Invalid control character at": "无效的控制字符",
    "Invalid \\escape": "无效的转义",
    "Invalid \\uXXXX escape": "无效的 \\uXXXX 转义",
    "unexpected end of data": "数据意外结束",
    "'{}' expected after '\"'": "引号之后应为“{}”",
}

FOUND: Mapping[str, str] = {
    "a question and its answers a row, in {}": "每行一个问题及其答案，位于 {} 列",
    **_JSON,
    "nothing": "空",
    "an empty string": "空字符串",
    "none": "无",
    "one": "一段",
    "objects": "对象",
    "nothing but blanks": "只有空白",
    "no such column": "没有这一列",
    "no such column (the row has {:said})": "没有这一列（该行有 {}）",
    "half of a surrogate pair": "半个代理对",
    "{:d} tags": "{} 个标签",
    "unknown tag {}: expected O or a prefix of B I M E S L U, '-' and a type, such as B-PER": (
        "未知标签 {}：应为 O，或前缀（B I M E S L U 之一）加“-”与类型，如 B-PER"
    ),
    "an empty {}": "空的 {}",
    "start {}, end {}": "start {}，end {}",
    "{}'s last": "以 {} 结尾",
    "columns {}": "列 {}",
    "{:d} fields": "{} 个字段",
    "a quote that does not pair ({:said})": "引号不成对（{}）",
    "{:said}; the {:d} lines after it are not read": "{}；其后的 {} 行未读取",
    "no rows": "没有数据行",
    "no mark that parts them": "没有分隔它们的符号",
    "that {} ends after line {:d}": "{} 在第 {} 行之后结束",
    "damaged bytes: {}": "字节已损坏：{}",
    "the byte 0x{}": "字节 0x{}",
    "an empty file": "空文件",
    "a binary file": "二进制文件",
    "broken {}": "损坏的 {}",
    "a gzip file": "gzip 文件",
    "an xz file": "xz 文件",
    "a bzip2 file": "bzip2 文件",
    "a Zstandard file": "Zstandard 文件",
    "a zip archive, as spreadsheets are too": "zip 压缩包（电子表格也是）",
    "no such file": "没有这个文件",
    "no such file ({})": "没有这个文件（{}）",
    "nothing there": "该处没有内容",
    "nothing at {}": "{} 处没有内容",
    "text of no such form": "不属于这些格式的文本",
    "the keys {}": "键 {}",
    "no data file": "没有数据文件",
    "none that can be used": "没有可用的",
    "none that is left": "一条不剩",
    "none that can be read": "没有可读的",
    "another one": "另一列",
    "no such path, and the hub gave none ({})": "没有此路径，hub 也未提供（{}）",
    "a URL without a query": "没有查询的 URL",
    "no package {}": "没有 {} 包",
    "--label {}": "--label {}",
}

_ROWS: dict[str, str] = {
    "fill it in or remove the row": "请补上内容，或删除该行",
    'fill it in, or say "accept": false': '请补上，或写 "accept": false',
    "add the column '{}'": "请添加“{}”列",
    "did you mean '{}' where it says '{}'?": "“{1}”是否应为“{0}”？",
    "write the date as the other rows have it": "请按其他行的写法写日期",
    "write dates as 2018-05-11": "请按 2018-05-11 的形式写日期",
    "write dates as 2018-05-11 (day and month cannot be told apart)": "请按 2018-05-11 的形式写日期（日与月无法区分）",
    'write the tokens as ["…", "…"]': '请把词写成 ["…", "…"]',
    "make the tokens pieces of '{}', in order, or leave that column out": "请让各词依次取自“{}”列，或去掉该列",
    "write a string": "请写成字符串",
    "write whole characters: both halves of the pair, or the character itself": (
        "请写完整的字符：代理对的两半，或该字符本身"
    ),
    "write one label; several go into a list in every row": "请只写一个标签；若有多个，请在每行都写成列表",
    "add its name there, or write names as labels": "请在其中补上名称，或直接以名称作标签",
    'write ["…"], or [] for none': '请写成 ["…"]，没有则写 []',
    "remove the empty label": "请删除空标签",
    "give every token one tag": "请给每个词一个标签",
    "write the names of the tags in place of their numbers": "请写标签的名称，而不是编号",
    "write tags of IOB, BIOES or BMES": "请写 IOB、BIOES 或 BMES 标签",
    "give the token its characters, or the tag O": "请补上该词的字符，或改用标签 O",
    'write [{{"start": 0, "end": 5, "label": "PER"}}], or [] for none': (
        '请写成 [{{"start": 0, "end": 5, "label": "PER"}}]，没有则写 []'
    ),
    'write {{"start": 0, "end": 5, "label": "PER"}}': '请写成 {{"start": 0, "end": 5, "label": "PER"}}',
    "count characters from 0; end is the first one after the entity": "请从 0 起按字符计；end 为实体之后的第一个字符",
    'name its type: "label": "PER"': '请写明类型："label": "PER"',
    "count from 0": "请从 0 起计",
    "if the ends are inclusive, add 1 to every end or say ends=inclusive": (
        "若结束位置含末位，请全部加 1，或指定 ends=inclusive"
    ),
    "exchange start and end, or remove the entity": "请对调 start 与 end，或删除该实体",
    "count characters of this text, not bytes or tokens, from 0, end-{:said}": (
        "请从 0 起按该文本的字符计（不是字节或词），结束位置{}"
    ),
    "count characters from 0, end-{:said}": "请从 0 起按字符计，结束位置{}",
    'write [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]': (
        '请写成 [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]'
    ),
    "end each conversation with the answer that is to be learned": "请让每段对话以要学习的回答结尾",
    "give sentence1 and sentence2, name both columns with --text FIRST,SECOND, or put a tab between them": (
        "请给出 sentence1 与 sentence2，或用 --text FIRST,SECOND 指定两列，或在两段之间放制表符"
    ),
    "name the text's column with --text; the row has {}": "请用 --text 指定文本列；该行有 {}",
    'write {{"query": "…", "positive": "…", "negatives": ["…"]}}': (
        '请写成 {{"query": "…", "positive": "…", "negatives": ["…"]}}'
    ),
    'write {{"id": …, "given": …, "suggested": …}}': '请写成 {{"id": …, "given": …, "suggested": …}}',
    'write one complete object, such as {{"text": …, "label": …}}': (
        '请写成一个完整的对象，如 {{"text": …, "label": …}}'
    ),
    "write one object a line (JSON Lines), or an array of objects": "请每行写一个对象（JSON Lines），或写成对象数组",
    "one object a line; say --format csv, tsv or lines (a text a line) where it is that": (
        "请每行写一个对象；若为 csv、tsv 或 lines（每行一条文本），请用 --format 说明"
    ),
    "make pairs of them first with tunewheel.data.pairs.query_pairs (docs/matching.md has the lines)": (
        "请先用 tunewheel.data.pairs.query_pairs 配成文本对（代码见 docs/matching.md）"
    ),
    "give the row one field a column{:said}": "请让该行每列一个字段{}",
    "; a field with {} or a line break needs quotes": "；含 {} 或换行的字段须加引号",
    'quote the whole field and double every quote inside it ("")': '请给整个字段加引号，其中的引号写两个（""）',
    "quote fields that hold the separator": "请给含分隔符的字段加引号",
    "give every token all columns, the tag {:said}, and leave a blank line between sentences": (
        "请让每个词各列齐全（标签{}），句子之间留一个空行"
    ),
    "put the tag {:said}, as B-TYPE, I-TYPE or O": "请把标签放在{}，写作 B-TYPE、I-TYPE 或 O",
    "last": "末列",
    "in column {:d}": "第 {} 列",
    "add what is missing, or remove the line": "请补上缺少的部分，或删除该行",
    "remove the lines too many, or add those that are missing": "请删除多余的行，或补上缺少的行",
    "write it to a file and name that": "请写入文件，再指定该文件",
}

_SOURCES: dict[str, str] = {
    "check the path": "请检查路径",
    "check the path: sqlite:///shop.db::SELECT text, label FROM tickets": (
        "请检查路径：sqlite:///shop.db::SELECT text, label FROM tickets"
    ),
    "did you mean '{}'?": "是否应为“{}”？",
    " (did you mean '{}'?)": "（是否应为“{}”？）",
    "give {} the name of a column": "请给 {} 一个列名",
    "give --{} the name of a column": "请给 --{} 一个列名",
    'name it with {}, or write {{"prompt": "…", "response": "…"}} or {{"messages": […]}}': (
        '请用 {} 指定，或写成 {{"prompt": "…", "response": "…"}} 或 {{"messages": […]}}'
    ),
    "--text": "--text",
    "--label": "--label",
    'write "entities": [{{"start": 0, "end": 5, "label": "PER"}}], or name it with --label': (
        '请写成 "entities": [{{"start": 0, "end": 5, "label": "PER"}}]，或用 --label 指定'
    ),
    "name the column with --label, or another --task": "请用 --label 指定该列，或改用其他 --task",
    'write "label": "…", or "entities": [{{"start": 0, "end": 5, "label": "PER"}}]': (
        '请写成 "label": "…" 或 "entities": [{{"start": 0, "end": 5, "label": "PER"}}]'
    ),
    "say which is which: --text NAME --label NAME{:said}": "请分别指定：--text NAME --label NAME{}",
    "{:said}; check and clean take text without labels (--task text)": (
        "{}；check 与 clean 可处理无标签文本（--task text）"
    ),
    "leave out --label, or name the task that learns it in place of --task {}": (
        "请去掉 --label，或把 --task {} 换成学习它的任务"
    ),
    "name other data: what was erased is not learned again": "请换用其他数据：已抹去的内容不再学习",
    "write the rows into it or remove it": "请写入数据行，或删除该文件",
    "mend the rows of this file": "请修正该文件的行",
    "take fewer rows out, or read other data": "请少去掉一些样本，或换用其他数据",
    'pass {{"train": [{{"text": …, "label": …}}]}}': '请传入 {{"train": [{{"text": …, "label": …}}]}}',
    "name the file of suspects, one JSON object a line, as UTF-8": (
        "请指定嫌疑样本的文件（UTF-8，每行一个 JSON 对象）"
    ),
    "pip install 'tunewheel[zh]'": "pip install 'tunewheel[zh]'",
    "pip install {}": "pip install {}",
    "name a folder written by Dataset.save, or read raw files with Dataset.read": (
        "请指定由 Dataset.save 写出的文件夹，或用 Dataset.read 读取原始文件"
    ),
    "read it with the Tunewheel that wrote it, or build it again from its sources": (
        "请用写出它的 Tunewheel 版本读取，或由来源重新构建"
    ),
    "copy the folder again; a stored dataset is never edited": "请重新复制该文件夹；已保存的数据集不可改动",
    "name the file of the train split 'train.…'": "请把 train 划分的文件命名为“train.…”",
    "keep one of them in the folder, or name the files: Dataset.read({{'{}': …}})": (
        "请在文件夹中只留其一，或指定文件：Dataset.read({{'{}': …}})"
    ),
    "read the file alone: its keys tell the splits": "请单独读取该文件：其中的键说明了划分",
    "name them alike, such as train.txt and train.tags, or seq.in and seq.out": (
        "请让文件名相互对应，如 train.txt 与 train.tags，或 seq.in 与 seq.out"
    ),
    "convert it to one of them; lines of plain text go without labels to pretrain, topics, distill and predict": (
        "请转换为其中一种；无标签的逐行文本可用于 pretrain、topics、distill 与 predict"
    ),
    "check the name; without a network, load it once where there is one, copy its Parquet files here and name their "
    "folder": "请检查名称；若无网络，请在有网络处加载一次，把 Parquet 文件复制到此处并指定其文件夹",
    "write them as CSV with a header, or as JSON Lines": "请写成带表头的 CSV，或 JSON Lines",
    "write the file again": "请重新写出该文件",
    "unpack it first: gunzip -k {}": "请先解压：gunzip -k {}",
    "unpack it first: unxz -k {}": "请先解压：unxz -k {}",
    "unpack it first: bunzip2 -k {}": "请先解压：bunzip2 -k {}",
    "unpack it first: unzstd {}": "请先解压：unzstd {}",
    "unpack it first, or export the sheet as CSV in UTF-8": "请先解压，或把表格导出为 UTF-8 的 CSV",
    "export it as JSON Lines or CSV in UTF-8": "请导出为 UTF-8 的 JSON Lines 或 CSV",
    "export the file again, in UTF-8": "请以 UTF-8 重新导出该文件",
    "export the rows as CSV or Parquet": "请把数据导出为 CSV 或 Parquet",
    "check the database and the query; the form is sqlite:///shop.db::SELECT text, label FROM tickets": (
        "请检查数据库与查询；格式为 sqlite:///shop.db::SELECT text, label FROM tickets"
    ),
    "sqlite:///shop.db::SELECT text, label FROM tickets": "sqlite:///shop.db::SELECT text, label FROM tickets",
    "write sqlite:///shop.db::SELECT text, label FROM tickets": (
        "请写成 sqlite:///shop.db::SELECT text, label FROM tickets"
    ),
    "name it so or give --format": "请用这样的文件名，或给出 --format",
    "name the columns in its first line": "请在第一行写列名",
    "write the file as UTF-8": "请以 UTF-8 写该文件",
    "write to a file with --output, or as --format jsonl": "请用 --output 写入文件，或用 --format jsonl",
}

FIXES: Mapping[str, str] = {**_ROWS, **_SOURCES}
