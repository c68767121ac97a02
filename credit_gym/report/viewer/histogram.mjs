// How many steps have a credit of which size; a bar shows the episodes that have such a step.

import { button, make } from "./dom.mjs";
import { credit } from "./tint.mjs";

// Whether a range holds a value: its upper end is the next one's, save that of the last.
export const holds = ({ from, to, last }, value) => value !== null && value >= from && (value < to || (last && value === to));

// `bins` equal parts of what the values span, symmetric around 0: an odd number, so that the middle one holds 0. The
// outer edges are the largest value itself, whatever is lost in rounding.
export function binned(values, bins = 21) {
  let most = 0;
  for (const value of values) if (value !== null) most = Math.max(most, Math.abs(value));
  const half = most || bins / 2;
  const edge = (i) => half * ((2 * i - bins) / bins);
  const bars = Array.from({ length: bins }, (_, i) => ({ count: 0, from: edge(i), to: edge(i + 1), last: i === bins - 1 }));
  for (const value of values) {
    if (value === null) continue;
    let i = Math.min(bins - 1, Math.max(0, Math.floor((value / half + 1) * (bins / 2))));
    while (i > 0 && value < bars[i].from) i -= 1;
    while (i < bins - 1 && value >= bars[i].to) i += 1;
    bars[i].count += 1;
  }
  return bars;
}

// The bars; left and right go from bar to bar. `chosen` is the range that is shown, `choose(range)` shows another.
export function drawHistogram(place, values, chosen, choose) {
  const bars = binned(values);
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const held = bars.findIndex((bar) => chosen !== null && chosen.from === bar.from);
  const nodes = bars.map((bar, i) => {
    const node = button("", () => choose(i === held ? null : bar), {
      className: "bar", "aria-pressed": String(i === held), tabindex: i === Math.max(held, 0) ? "0" : "-1",
      "aria-label": `${bar.count} steps from ${credit(bar.from)} to ${credit(bar.to)}`,
      title: `${bar.count} steps from ${credit(bar.from)} to ${credit(bar.to)}`,
    });
    node.append(make("span", { className: bar.from + bar.to > 0 ? "up" : "down" }));
    node.firstChild.style.setProperty("height", `${Math.round(100 * Math.sqrt(bar.count / most))}%`);
    return node;
  });
  const go = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = by && nodes[nodes.indexOf(document.activeElement) + by];
    if (next) { next.focus(); event.stopPropagation(); }
  };
  place.replaceChildren(
    make("div", { className: "bars", role: "group", "aria-label": "steps by credit", on: { keydown: go } }, ...nodes),
    make("p", { className: "range" }, make("span", { text: chosen === null ? credit(bars[0].from) : `${credit(chosen.from)} to ${credit(chosen.to)}` }),
      chosen === null ? make("span", { text: credit(bars.at(-1).to) }) : button("clear", () => choose(null))));
}
