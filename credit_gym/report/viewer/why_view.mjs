// Why a step has its credit: who else stood in its state, what they did and earned, and the scorer's terms.

import { button, make, table } from "./dom.mjs";
import { credit, plain } from "./tint.mjs";

const MOST = 40; // visits that are listed at once

// The visits of a state by action, the most frequent first: how many, by how many episodes, how many of these were solved,
// mean return, mean credit of the visits.
export function byAction(overview, places, scorer) {
  const { data } = overview;
  const found = new Map();
  for (const place of places) {
    const action = data.actions[place];
    if (!found.has(action)) found.set(action, { action, first: place, visits: 0, owners: new Set(), credit: 0, scored: 0 });
    const row = found.get(action);
    row.visits += 1;
    row.owners.add(overview.ownerOf(place));
    const value = data.credits[scorer]?.[place];
    if (value !== null && value !== undefined) { row.credit += value; row.scored += 1; }
  }
  return [...found.values()].map(({ owners, ...row }) => ({
    ...row,
    episodes: owners.size,
    solved: [...owners].filter((e) => data.episodes.outcome[e] === 0).length,
    mean: [...owners].reduce((sum, e) => sum + (data.episodes.return[e] ?? 0), 0) / owners.size,
    credit: row.scored ? row.credit / row.scored : null,
  })).sort((a, b) => b.visits - a.visits || a.first - b.first);
}

const short = (text) => (text.length > 160 ? `${text.slice(0, 160)}…` : text);
const digits = (value) => (value === null ? "–" : plain(Number(value.toPrecision(6))));

// `place` counts the steps of all episodes, `local` those of the leaf; `actionAt(place)` reads an action; `go(e, t)` goes
// to a step.
export async function drawWhy(overview, { scorer, place, local, leaf, actionAt, go }) {
  const shown = overview.scorers[scorer] ?? { name: "" };
  const key = shown.key ?? 0;
  const company = overview.companyOf(key, place);
  const state = leaf.states[key];
  if (!company.length || !state) return [make("p", { text: "Nobody is compared here: the episode was not scored." })];
  const owners = new Set(Array.from(company, (p) => overview.ownerOf(p)));
  const actions = byAction(overview, company, scorer);
  const texts = await Promise.all(actions.slice(0, MOST).map((row) => actionAt(row.first)));
  const own = overview.data.actions[place];
  const rows = actions.slice(0, MOST).map((row, i) => [
    `${row.action === own ? "▸ " : ""}${short(texts[i])}`, row.visits, row.episodes, row.solved, digits(row.mean), credit(row.credit)]);
  const more = actions.length > MOST ? [make("p", { text: `and ${actions.length - MOST} actions more` })] : [];
  return [
    make("p", {}, make("b", { text: `${company.length} visits` }),
      make("span", { text: ` to this state (key: ${overview.data.keys[key]}) by ${owners.size} episodes of its group` })),
    table(["action", "visits", "episodes", "solved", "mean return", `mean ${shown.name}`], rows), ...more,
    table(["of the state", ""], [
      ["mean return from here on, over the visits", plain(state.mean_return[local])],
      ["pooled value before the step", plain(state.value[local])],
      ["pooled value after it", plain(state.next_value[local])]]),
    ...drawTerms(overview, scorer, place, local, leaf),
    drawVisits(overview, company, place, scorer, go),
  ];
}

function drawTerms(overview, scorer, place, local, leaf) {
  const { name, equations, terms = [], constants = [] } = overview.scorers[scorer] ?? {};
  if (!name) return [];
  const value = credit(overview.data.credits[scorer][place]);
  if (!equations) return [make("p", { text: `${name} says ${value}; its terms are not written down.` })];
  const numbers = leaf.terms[scorer] ?? {};
  return [
    make("p", { className: "label", text: `${name}: c = ${plain(overview.data.credits[scorer][place])} (what is divided by 0 is 0)` }),
    make("pre", { className: "equations", text: equations.join("\n") }),
    table(["term", "here", ""], [
      ...terms.map(([term, meaning]) => [term, plain(numbers[term]?.[local]), meaning]),
      ...constants.map(([constant, number]) => [constant, plain(number), "option"])]),
  ];
}

function drawVisits(overview, company, place, scorer, go) {
  const { data, begins } = overview;
  const body = make("div", {});
  let listed = 0;
  const more = button("show more", () => add());
  const add = () => {
    const next = company.slice(listed, listed + MOST);
    const rows = Array.from(next, (p) => {
      const e = overview.ownerOf(p);
      const t = p - begins[e];
      const link = button(`${overview.text("id", e)} · ${t}`, () => go(e, t), { className: "link" });
      return [link, `${overview.outcome(e).mark} ${overview.outcome(e).says}`, plain(overview.earned(e)), credit(data.credits[scorer]?.[p]), p === place ? "this step" : ""];
    });
    body.append(table(listed ? ["", "", "", "", ""] : ["episode · step", "outcome", "return", "credit", ""], rows));
    listed += next.length;
    more.hidden = listed >= company.length;
  };
  add();
  return make("details", {}, make("summary", { text: "who they were" }), body, more);
}
