"""How every page looks: one column that a phone can show, light or dark as the reader's system is."""

CSS = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f4f6f8; --ink: #1c2430; --soft: #596577;
  --line: #d5dbe3; --bar: #2f6f9f; --faint: #a9c6dc; --good: #1c7c4a; --bad: #b3261e; --dull: #7a6a1f;
  --a: #2f6f9f; --b: #c4551b; --c: #1c7c4a; --d: #7a4fa3; --e: #8b95a3; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --panel: #1b212a; --ink: #e6eaf0;
  --soft: #9aa7b8; --line: #323c49; --bar: #6fb1e0; --faint: #34536b; --good: #5fcf94; --bad: #ff8a80;
  --dull: #d8c25a; --a: #6fb1e0; --b: #ff9d5c; --c: #5fcf94; --d: #c39be8; --e: #76818f; } }
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
.row { display: grid; grid-template-columns: var(--label, 13rem) 1fr var(--value, max-content);
  gap: .1rem .75rem; align-items: center;
  font-size: .9rem; margin: .15rem 0; }
.row svg { width: 100%; height: 1rem; display: block; }
.row .value { text-align: right; white-space: nowrap; min-width: var(--value, 5rem);
  font-variant-numeric: tabular-nums; }
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

PLOTS = """
body.wide { max-width: 72rem; --label: 15rem; }
body.wide p, body.wide li { max-width: 46rem; }
nav { font-size: .9rem; margin: 1rem 0; } nav a { margin-right: 1rem; white-space: nowrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.tile { background: var(--panel); padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.35rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { display: block; color: var(--soft); font-size: .85rem; line-height: 1.35; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 0 2rem; }
.grid.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.grid > * { min-width: 0; }
figcaption b { color: var(--ink); font-weight: 600; }
.keys { font-size: .85rem; display: flex; flex-wrap: wrap; gap: 0 1rem; margin-bottom: .25rem; }
.keys i { display: inline-block; width: 1rem; border-top: .2rem solid var(--tone); vertical-align: middle;
  margin-right: .35rem; }
.keys i.dashed { border-top-style: dashed; } .keys i.area, .keys i.solid { border-top-width: .7rem; }
.keys i.area { opacity: .45; }
.keys i.dot { width: .6rem; height: .6rem; border: 0; border-radius: 50%; background: var(--tone); }
.a { --tone: var(--a); } .b { --tone: var(--b); } .c { --tone: var(--c); } .d { --tone: var(--d); }
.e { --tone: var(--e); } .ink { --tone: var(--ink); } .good-tone { --tone: var(--good); }
.canvas { position: relative; display: grid; grid-template-columns: var(--left) minmax(0, 1fr);
  grid-template-rows: var(--height) auto auto; column-gap: .4rem; font-size: .78rem; line-height: 1.1;
  color: var(--soft); font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.canvas svg { width: 100%; height: 100%; display: block; overflow: visible; }
.yticks, .xticks { position: relative; }
.xticks:not(:empty) { height: 1.3rem; }
.yticks span { position: absolute; right: 0; transform: translateY(50%); white-space: nowrap; }
.xticks { grid-column: 2; }
.xticks span { position: absolute; top: .25rem; transform: translateX(-50%); white-space: nowrap; }
.xticks span.first { transform: none; } .xticks span.last { transform: translateX(-100%); }
.ylabel { font-size: .78rem; color: var(--soft); margin-bottom: .35rem; }
.xlabel { grid-column: 2; text-align: right; }
.grid-line { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.trace { fill: none; stroke: var(--tone); stroke-width: 2; vector-effect: non-scaling-stroke;
  stroke-linejoin: round; }
.trace.thin { stroke-width: 1.3; opacity: .85; } .trace.dashed { stroke-dasharray: 4 3; }
.band { fill: var(--tone); opacity: .22; }
.column { fill: var(--tone); } .column.area { opacity: .4; }
.mark { fill: none; stroke: var(--tone); stroke-width: 7; stroke-linecap: round;
  vector-effect: non-scaling-stroke; }
.whisker { stroke: var(--tone); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.tinted { fill: var(--tone); } .tinted.pale { opacity: .35; }
.middle { stroke: var(--soft); stroke-width: 1; vector-effect: non-scaling-stroke; }
.grid.two .row { --label: 13.4rem; font-size: .85rem; }
.card ul { margin: .25rem 0 .5rem; padding-left: 1.2rem; font-size: .9rem; }
dl.words dd { font-family: inherit; }
.row.slim { margin: 0; font-size: .78rem; line-height: .95rem; grid-template-columns: 13rem 1fr; }
.row.slim span { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.row.slim svg { height: .95rem; }
.scroll { overflow-x: auto; }
td small { display: block; color: var(--soft); font-size: .78rem; line-height: 1.25; font-weight: 400; }
table.rows { overflow-wrap: normal; }
table.rows th { font-size: .82rem; line-height: 1.25; vertical-align: bottom; }
table.rows th.number { white-space: normal; }
table.rows td.number { white-space: normal; }
table.rows td { font-variant-numeric: tabular-nums; } table.rows td:first-child { white-space: normal; }
tr.chosen td { font-weight: 600; }
.notes { list-style: none; padding: 0; margin: .5rem 0; }
.notes li { border-left: .25rem solid var(--tone); padding: .1rem .75rem; margin: .6rem 0; }
.tag { color: var(--tone); font-weight: 600; }
code { font-family: ui-monospace, monospace; font-size: .88em; background: var(--panel);
  padding: .05rem .25rem; }
pre { background: var(--panel); padding: .75rem; overflow-x: auto; font-size: .85rem; }
pre code { padding: 0; }
.card { margin: .75rem 0; min-width: 0; }
.card h3 { margin: .5rem 0 .1rem; font-size: .95rem; } .card .soft { font-size: .8rem; margin: 0 0 .3rem;
  line-height: 1.35; }
.card figure { margin: .25rem 0; }
.card.compact .row { grid-template-columns: minmax(0, 9rem) 1fr 3.2rem; margin: .1rem 0; font-size: .82rem; }
.card.compact .row svg { grid-column: auto; grid-row: auto; } .card.compact .row .value { min-width: 3.2rem; }
details summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
@media (max-width: 40rem) {
  body.wide { padding: .75rem; }
  .row.slim { grid-template-columns: 10.4rem 1fr; font-size: .68rem; margin: 0; }
  .row.slim svg { grid-column: 2; grid-row: 1; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  table.rows thead { display: none; }
  table.rows tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  table.rows td { display: grid; grid-template-columns: 10rem minmax(0, 1fr); gap: .5rem; border: 0;
    padding: .1rem 0; text-align: left; white-space: normal; }
  table.rows td:first-child { display: block; font-weight: 600; }
  table.rows td small { grid-column: 2; }
  table.rows td:empty { display: none; }
  table.rows td:not(:first-child)::before { content: attr(data-name); color: var(--soft); font-weight: 400; }
}
@media print { nav { display: none; } figure, .card { break-inside: avoid; } }
"""
