"""Style and script of the pages; both stand inside each page, which loads nothing."""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --line: #e3e6eb; --ink: #1c2430; --soft: #667085; --accent: #3563c9;
  --band: #8eaeea; --heat: #3563c9; --grey: #a9b2c0; --good: #1b7f5c; --bad: #b93a32; --unsure: #94650a;
  --good-back: #dcf2e8; --bad-back: #fbe3e0; --unsure-back: #fbf0d6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --card: #1a2029; --line: #2c3542; --ink: #e5e9f0; --soft: #98a3b5; --accent: #7ea4f5;
    --band: #46639f; --heat: #4f7fe0; --grey: #5d6879; --good: #62cba0; --bad: #f08d84; --unsure: #e3b75c;
    --good-back: #173a2d; --bad-back: #47231f; --unsure-back: #41331a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); font-size: 15px; line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 36px 24px 48px; }
header { margin-bottom: 24px; }
h1 { font-size: 26px; line-height: 1.25; font-weight: 650; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 17px; font-weight: 650; margin: 0 0 4px; overflow-wrap: anywhere; }
p { margin: 0; }
.soft { color: var(--soft); font-size: 13.5px; }
.warn { color: var(--unsure); font-size: 13.5px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px;
  margin-top: 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 14px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
    padding: 16px 20px 18px; }
.card.lesser { padding: 12px 20px 14px; }
.name { color: var(--soft); font-size: 13.5px; }
.name::first-letter { text-transform: uppercase; }
.value { font-size: 34px; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.lesser .value { font-size: 21px; }
.value small { font-size: .55em; font-weight: 500; color: var(--soft); margin-left: 2px; }
.track { position: relative; height: 6px; border-radius: 3px; background: var(--line); margin: 10px 0 8px; }
.track i { position: absolute; top: 0; bottom: 0; border-radius: 3px; background: var(--band);
    min-width: 4px; }
.track b { position: absolute; top: -3px; width: 3px; height: 12px; margin-left: -1.5px; border-radius: 2px;
  background: var(--accent); }
.gap { margin-top: 14px; }
.scroll { overflow-x: auto; margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 550; color: var(--soft); font-size: 13px; white-space: nowrap; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
.verdict { display: inline-block; padding: 0 10px; border-radius: 999px; font-size: 13px; font-weight: 550;
  white-space: nowrap; }
.better { color: var(--good); background: var(--good-back); }
.worse { color: var(--bad); background: var(--bad-back); }
.undecided { color: var(--unsure); background: var(--unsure-back); }
.note { color: var(--soft); background: var(--line); }
.grey td { color: var(--grey); }
.text { min-width: 220px; white-space: pre-wrap; overflow-wrap: anywhere; }
.text > div { max-height: 210px; overflow-y: auto; }
.label { overflow-wrap: break-word; max-width: 240px; }
.line { display: grid; grid-template-columns: 74px 1fr; gap: 10px; }
.line + .line { margin-top: 4px; }
.line > span:first-child { color: var(--soft); font-size: 12.5px; padding-top: 2px; }
mark { color: inherit; border-radius: 4px; padding: 1px 3px; background: var(--good-back);
    box-decoration-break: clone;
  -webkit-box-decoration-break: clone; }
mark.wrong { background: var(--bad-back); }
mark small { font-size: 10.5px; font-weight: 600; letter-spacing: .02em; margin-left: 4px;
    color: var(--good); }
mark.wrong small { color: var(--bad); }
.id { color: var(--soft); font-size: 12px; margin-top: 3px; overflow-wrap: anywhere; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
pre { margin: 4px 0 0; padding: 9px 12px; border-radius: 8px; background: var(--page); font-size: 13px;
  white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
.notes { white-space: pre-line; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--accent); font-size: 14px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 22px; margin: 10px 0 0;
    font-size: 14px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.chart { width: 100%; margin-top: 8px; }
@media (max-width: 640px) {
  main { padding: 22px 12px 32px; }
  section { padding: 16px 14px; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 8px; }
  .line { grid-template-columns: 1fr; gap: 0; }
}
@media print { section, .card { break-inside: avoid; } }
"""

SCRIPT = """
const charts = JSON.parse(document.getElementById("charts").textContent);
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const paint = value => {
  if (Array.isArray(value)) return value.map(paint);
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, paint(inner)]));
  return typeof value === "string" && value.startsWith("css:") ? colour(value.slice(4)) : value;
};
const draw = () => charts.forEach(chart => {
  const font = {family: getComputedStyle(document.body).fontFamily, color: colour("--ink"), size: 12.5};
  const layout = {...paint(chart.layout), font, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)"};
  const data = chart.data.map(trace => ({...trace, ...paint(chart.paint[trace.uid])}));
  Plotly.react(chart.id, data, layout, {responsive: true, displaylogo: false, displayModeBar: false});
});
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
"""
