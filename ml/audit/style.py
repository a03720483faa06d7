"""How the audit's page looks: one column that a phone can show, light or dark as the reader's system is."""

CSS = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f4f6f8; --ink: #1c2430; --soft: #596577;
  --line: #d5dbe3; --bar: #2f6f9f; --faint: #a9c6dc; --good: #1c7c4a; --bad: #b3261e; --dull: #7a6a1f; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --panel: #1b212a; --ink: #e6eaf0;
  --soft: #9aa7b8; --line: #323c49; --bar: #6fb1e0; --faint: #34536b; --good: #5fcf94; --bad: #ff8a80;
  --dull: #d8c25a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 0 0 .25rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .5rem; }
p { margin: .25rem 0 .75rem; }
.verdict { border-left: .4rem solid var(--tone); background: var(--panel); padding: .75rem 1rem;
  margin-bottom: 1rem; }
.good { --tone: var(--good); } .bad { --tone: var(--bad); } .dull { --tone: var(--dull); }
.soft { color: var(--soft); font-size: .9rem; }
.state { color: var(--tone); font-weight: 600; white-space: nowrap; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:first-child { white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
section { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); }
a { color: inherit; }
.breach { border-left: .25rem solid var(--bad); padding: .1rem .75rem; margin: .75rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem; margin: .25rem 0;
  font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; font-family: ui-monospace, monospace; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .9rem; margin-bottom: .5rem; }
.row { display: grid; grid-template-columns: 13rem 1fr max-content; gap: .1rem .75rem; align-items: center;
  font-size: .9rem; margin: .15rem 0; }
.row svg { width: 100%; height: 1rem; display: block; }
.row .value { text-align: right; white-space: nowrap; min-width: 5rem; font-variant-numeric: tabular-nums; }
.ground { fill: var(--panel); } .bar { fill: var(--bar); } .faint { fill: var(--faint); }
.marked { fill: var(--bad); }
.limit { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 2; vector-effect: non-scaling-stroke; }
@media (max-width: 40rem) {
  .row { grid-template-columns: 1fr auto; margin: .5rem 0; }
  .row svg { grid-column: 1 / -1; grid-row: 2; }
  table.checks thead { display: none; }
  table.checks tr { display: grid; grid-template-columns: 1fr auto; padding: .4rem 0;
    border-bottom: 1px solid var(--line); }
  table.checks td { border: 0; padding: 0; }
  table.checks td.long { grid-column: 1 / -1; color: var(--soft); font-size: .9rem; }
  table.checks td.long:empty { display: none; }
}
"""
