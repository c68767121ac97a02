// One pair: how both ended, where they part and what that step earned, and the two transcripts side by side from there.

import { button, make, onDemand, passage, table } from "./dom.mjs";
import { stepOf, whereIs } from "./leaf.mjs";
import { partingCredits } from "./pairs.mjs";
import { drawStep } from "./step_view.mjs";
import { credit, plain } from "./tint.mjs";

export const ROWS = 60; // steps of each side in the document at once

const WHY = [
  "what they saw differs before what they did",
  "what they did differs",
  "one had ended",
];

const outcome = (overview, e) => {
  const { name, mark, says } = overview.outcome(e);
  return make("span", { className: name, text: `${mark} ${says}` });
};

// Where a pair parts, in words.
export function parting({ steps, by }, n) {
  return steps[n] === null ? "The two are alike to the end." : `They part at step ${steps[n]}: ${WHY[by[n]]}.`;
}

async function sideOf(overview, source, e, name) {
  const where = whereIs(overview, e);
  const leaf = await source.leaf("steps", where.number);
  const length = overview.length(e);
  return {
    e, name, length,
    step: (t) => ({ ...stepOf(leaf, where.steps + t, where.points + t), result: leaf.texts[leaf.observations[where.points + t + 1]] }),
    last: leaf.texts[leaf.observations[where.points + length]],
  };
}

function drawTotals(overview, both, comparison, n, scorer) {
  const t = comparison.steps[n];
  const credits = partingCredits(overview, comparison, n, scorer);
  const did = t === null ? [] : [
    [`did at step ${t}`, ...both.map((side) => make("span", { className: "did", text: t < side.length ? side.step(t).action : "had ended" }))],
    ...(overview.scorers.length ? [[`${overview.scorers[scorer].name} of it`, ...credits.map(credit)]] : [])];
  return table(["", ...both.map(({ name }) => name)], [
    ["outcome", ...both.map(({ e }) => outcome(overview, e))],
    ["return", ...both.map(({ e }) => plain(overview.earned(e)))],
    ["steps", ...both.map(({ length }) => length)],
    ...did]);
}

// `names` are those of the sides; `view` has the step and how many are drawn; `act` goes to a step of the pair, draws
// more of them, and opens one of the two episodes.
export async function drawPair(overview, source, { comparison, names, n, scorer, scale, step, rows }, act) {
  const both = await Promise.all([comparison.first[n], comparison.second[n]].map((e, i) => sideOf(overview, source, e, names[i])));
  const values = (t) => both.map(({ e, length }) => (t < length && overview.scorers.length ? overview.credit(scorer, e, t) : null));
  const shown = { chosen: 0, why: null, model: null, hit: false, choose: act.step };
  const label = (name) => `${name}: ${overview.scorers[scorer]?.name}`;
  const scored = overview.scorers.length > 0;
  const cell = (side, t) => {
    if (t < side.length) {
      const [value] = values(t).slice(both.indexOf(side));
      const node = drawStep(side.step(t), t, {
        ...shown, names: scored ? [label(side.name)] : [], values: [value], scales: [scale], current: t === step });
      node.dataset.side = side.name;
      return node;
    }
    if (t > side.length) return make("li", { className: "none", "aria-hidden": "true" });
    return make("li", { className: "end", "data-side": side.name }, outcome(overview, side.e), ...passage("observation", side.last));
  };
  const alike = comparison.steps[n] ?? both[0].length;
  const most = Math.max(...both.map(({ length }) => length)) + 1;
  const until = Math.min(most, Math.max(alike + rows, (step ?? 0) + 2));
  const drawn = [];
  for (let t = alike; t < until; t += 1) drawn.push(...both.map((side) => cell(side, t)));
  if (until < most) drawn.push(make("li", { className: "rest" }, button(`${most - until} later steps`, () => act.more())));
  const shared = () => Array.from({ length: alike }, (_, t) => drawStep(both[0].step(t), t, {
    ...shown, names: scored ? both.map(({ name }) => label(name)) : [], values: values(t), scales: [scale, scale], current: t === step }));
  const first = onDemand(`${alike} ${alike === 1 ? "step" : "steps"} alike`, async () => [make("ol", { className: "steps", "aria-label": "steps alike" }, ...shared())], { className: "alike" });
  first.hidden = alike === 0;
  first.open = step !== null && step < alike;
  const { e } = both[0];
  const repeated = comparison.repetition[n] ? [["repetition", comparison.repetition[n]]] : [];
  const facts = [["task", overview.text("task", e)], ["seed", comparison.seeds[n] ?? "–"], ...repeated, ["environment", overview.text("environment", e)]];
  return [
    make("h2", { className: "goal", text: overview.text("goal", e) || overview.text("task", e) || overview.text("id", e) }),
    make("p", { className: "facts" }, ...facts.map(([name, value]) => make("span", { text: `${name} ` }, make("b", { text: String(value) })))),
    make("p", { className: "parting", text: parting(comparison, n) }),
    make("div", { className: "asked" }, drawTotals(overview, both, comparison, n, scorer)),
    first,
    make("div", { className: "sides" }, ...both.map((side) => make("div", {}, make("b", { text: side.name }), " ",
      button(overview.text("id", side.e), () => act.open(side.e, step === null ? null : Math.min(step, side.length - 1)), { className: "link", title: "look at this episode" })))),
    make("ol", { className: "steps both", "aria-label": "steps of both sides from where they part" }, ...drawn),
  ];
}
