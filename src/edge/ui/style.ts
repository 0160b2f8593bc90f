/** In light and in dark; each colour has at least 4.5 to 1 on its ground (WCAG 2.2, 1.4.3), and none says anything alone. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff; --ink: #1b1f24; --faint: #59636e; --line: #d1d9e0; --raised: #f6f8fa; --accent: #0757ba;
  --good: #116329; --good-ground: #dafbe1; --warn: #7d4e00; --warn-ground: #fff8c5; --bad: #a40e26; --bad-ground: #ffebe9;
  font: 16px/1.5 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1117; --ink: #e6edf3; --faint: #9198a1; --line: #3d444d; --raised: #151b23; --accent: #79b8ff;
    --good: #7ee787; --good-ground: #12261e; --warn: #e3b341; --warn-ground: #2b2111; --bad: #ffa198; --bad-ground: #2d1214;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { background: var(--ground); color: var(--ink); margin: 0 auto; max-width: 80rem; padding: 1rem; }
header, .head { align-items: baseline; display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.125rem; margin: 0; }
header p { color: var(--faint); flex: 1; margin: 0; }
section { margin-top: 1.75rem; }
.head span { color: var(--faint); flex: 1; }
.scroll { border: 1px solid var(--line); border-radius: .5rem; margin-top: .5rem; overflow: auto; }
.scroll.tall { max-height: 32rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { overflow-wrap: anywhere; padding: .375rem .75rem; text-align: start; vertical-align: top; }
thead th { background: var(--raised); color: var(--faint); font-size: .875rem; position: sticky; top: 0; white-space: nowrap; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; }
tbody :is(th, td) { min-width: 4.5rem; }
.number { text-align: end; white-space: nowrap; }
time { white-space: nowrap; }
.pill { border: 1px solid currentcolor; border-radius: 1rem; display: inline-block; font-size: .875rem; padding: 0 .5rem; white-space: nowrap; }
.good { background: var(--good-ground); color: var(--good); }
.warn { background: var(--warn-ground); color: var(--warn); }
.bad { background: var(--bad-ground); color: var(--bad); }
.none { color: var(--faint); padding: .75rem; }
button, input { background: var(--raised); border: 1px solid var(--line); border-radius: .375rem; color: inherit; font: inherit; padding: .25rem .75rem; }
button { cursor: pointer; }
td button { font-size: .875rem; padding: 0 .5rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: 1.5rem; }
form label { flex: 1 1 100%; }
form input { flex: 1 1 16rem; max-width: 32rem; min-width: 0; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 40rem) {
  body { padding: .75rem; }
  .extra { display: none; }
  table { font-size: .875rem; }
  th, td { padding: .375rem .5rem; }
}
`;
