/** The page's style, whole: it must read without a network. */
export const pageStyle = `
:root { color-scheme: light dark; --page: #fbfaf8; --card: #ffffff; --ink: #1d2329; --muted: #616b75; --line: #dcdfe3;
  --grid: #eceef0; --one: #2f6fb0; --two: #a8690f; --three: #7a4fa3; --good: #1b7a48; --bad: #b3261e;
  --good-soft: #e3f2e9; --bad-soft: #fbe6e4; --replay: #fff0cc; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2125; --ink: #e7eaed; --muted: #9aa4ae;
  --line: #353c43; --grid: #2a3036; --one: #6fb0ee; --two: #e2a84b; --three: #bd96e6; --good: #5ecb92; --bad: #ff8a80;
  --good-soft: #173325; --bad-soft: #3f1d1b; --replay: #3d331a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 4px; } h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 4px 0 12px; } .muted { color: var(--muted); fill: var(--muted); }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; background: var(--grid); padding: 2px 6px; border-radius: 4px;
  overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 22px; margin: 20px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--muted); vertical-align: bottom; }
th, td { padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { white-space: normal; min-width: 52px; }
th:first-child, td:first-child { text-align: left; } table.words td, table.words th { text-align: left; white-space: normal; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
.sum { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 4px; }
.sum div { flex: 1 1 150px; border-radius: 8px; padding: 10px 14px; background: var(--good-soft); }
.sum div.off { background: var(--bad-soft); } .sum b { display: block; font-size: 22px; }
svg { width: 100%; min-width: 720px; height: auto; display: block; font: 12px system-ui, "DejaVu Sans", sans-serif; }
text { fill: var(--ink); } text.axis { fill: var(--muted); font-size: 11px; } text.figure { font-variant-numeric: tabular-nums; }
text.bad { fill: var(--bad); } text.known { fill: var(--two); } text.good { fill: var(--good); }
line.base, line.grid { stroke: var(--grid); } line.axis-line, line.tick { stroke: var(--line); }
line.moment { stroke-width: 1.2; stroke-dasharray: 3 3; } line.moment.bad { stroke: var(--bad); }
line.moment.known { stroke: var(--two); } line.moment.good { stroke: var(--good); }
line.way { stroke: var(--two); stroke-opacity: .35; } rect.replay { fill: var(--replay); }
line.median { stroke: var(--ink); stroke-width: 1.6; } circle.p99 { fill: var(--card); stroke: var(--ink); stroke-width: 1.4; }
circle.packet { fill: var(--muted); } circle.old { fill: var(--one); } circle.new { fill: var(--good); }
circle.lost { fill: var(--bad); } circle.none { fill: none; stroke: var(--bad); stroke-opacity: .7; }
rect.band { fill-opacity: .8; } rect.detection { fill: var(--one); } rect.failover { fill: var(--two); }
rect.replayed { fill: var(--three); } rect.lostmedia { fill: var(--bad); }
dt { font-weight: 600; } dd { margin: 0 0 8px; }
`;
