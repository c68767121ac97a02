// One episode: what it was about, how it ended, and its steps, of a long one a part at a time.

import { treeOf } from "./branches.mjs";
import { curvesOf, drawCurves } from "./curves.mjs";
import { button, fold, make, passage } from "./dom.mjs";
import { stepOf, whereIs } from "./leaf.mjs";
import { drawModel } from "./model_view.mjs";
import { alone, aloneIn, drawRoles, tag } from "./role_view.mjs";
import { drawStep } from "./step_view.mjs";
import { largest } from "./tint.mjs";
import { drawTree } from "./tree_view.mjs";
import { drawWhy } from "./why_view.mjs";

export const PART = 100; // steps in the document at once

// The part of an episode that holds a step.
export function partOf(length, step) {
  const begin = Math.floor(Math.max(0, Math.min(step, length - 1)) / PART) * PART;
  return [begin, Math.min(length, begin + PART)];
}

function facts(overview, e) {
  const outcome = overview.outcome(e);
  const entries = [["task", overview.text("task", e)], ["agent", overview.text("agent", e)], ["environment", overview.text("environment", e)],
    ["group", overview.text("group", e)], ["episode", overview.text("id", e)], ["steps", String(overview.length(e))],
    ["return", String(overview.earned(e) ?? "–")], ...(overview.data.runs.length > 1 ? [["run", overview.run(e).name]] : [])];
  return make("p", { className: "facts" }, make("span", { className: outcome.name, text: `${outcome.mark} ${outcome.says}` }),
    ...entries.filter(([, value]) => value).map(([name, value]) => make("span", { text: `${name} ` }, make("b", { text: value }))));
}

function controls(overview, view, act) {
  if (!overview.scorers.length) return null;
  const other = view.scale === "page" ? "episode" : "page";
  return make("div", { className: "controls" },
    make("span", { text: "credit \u2212" }, make("span", { className: "ramp" }), make("span", { text: "+" })),
    make("span", { text: `tint relative to each scorer's largest credit in the ${view.scale} ` }),
    button(`use the ${other}`, () => act.scale(other)));
}

function heads(overview, view, act) {
  const names = overview.scorers.map(({ name }, s) => button(name.replaceAll("_", "_\u200b"), () => act.scorer(s), {
    className: "scorer", title: "tint the steps by this scorer", "aria-pressed": String(s === view.scorer) }));
  return make("div", { className: "heads", role: "group", "aria-label": "scorers" }, ...names);
}

// The curves along the episode, where there are any.
async function along(overview, leaf, where, view, act) {
  const { episode: e } = view;
  const credits = overview.data.credits[view.scorer]?.slice(overview.begins[e], overview.begins[e + 1]) ?? [];
  const curves = curvesOf(leaf, where, overview.length(e), credits, overview.scorers[view.scorer]?.name);
  if (!curves.length) return null;
  return fold("curves", async () => [drawCurves(curves, overview.length(e), view.step, act.step)], {
    className: "along", open: view.along, left: act.along });
}

// The tree of the episode's group, where it has more than one.
async function tree(overview, view, actionAt, scale, act) {
  const key = overview.scorers[view.scorer]?.key ?? 0;
  const fill = async () => {
    const found = treeOf(overview, view.episode, key);
    if (found.members.length < 2) return [make("p", { text: "No other episode of its group can be laid beside it." })];
    return drawTree(overview, found, { ...view, open: view.branches, scale, keyName: overview.data.keys[key], actionAt, go: act.go });
  };
  return fold("tree of the group", fill, { className: "tree", open: view.tree, left: act.tree });
}

export async function drawEpisode(overview, source, view, act) {
  const { episode: e } = view;
  const where = whereIs(overview, e);
  const leaf = await source.leaf("steps", where.number);
  const begin = overview.begins[e];
  const [from, to] = partOf(overview.length(e), view.step ?? 0);
  const scales = overview.data.credits.map((values, s) => (
    view.scale === "page" ? view.scales[s] : largest(values, begin, overview.begins[e + 1])));
  const actionAt = async (place) => {
    const owner = overview.ownerOf(place);
    const at = whereIs(overview, owner);
    const there = await source.leaf("steps", at.number);
    return there.texts[there.actions[at.steps + place - overview.begins[owner]]];
  };
  const step = (t) => ({
    ...stepOf(leaf, where.steps + t, where.points + t),
    result: leaf.texts[leaf.observations[where.points + t + 1]],
  });
  const drawn = (t) => {
    const found = step(t);
    const place = begin + t;
    const local = where.steps + t;
    return drawStep(found, t, {
      names: overview.scorers.map(({ name }) => name),
      values: overview.scorers.map((_, s) => overview.credit(s, e, t)),
      scales,
      chosen: view.scorer,
      current: t === view.step,
      hit: view.hits?.get(e)?.includes(t) ?? false,
      choose: act.step,
      labels: act.labels(e, t),
      tag: overview.roles && overview.roles.of[place] >= 0 ? tag(overview.roles, overview.roles.of[place]) : null,
      why: overview.data.nodes.length === 0 ? null : async () => drawWhy(overview, {
        scorer: view.scorer, place, local, leaf: await source.leaf("why", where.number), actionAt, go: act.go }),
      model: async () => drawModel(await source.leaf("model", where.number), found, where.steps, local, {
        tint: view.token, credit: overview.credit(view.scorer, e, t), scale: scales[view.scorer] }),
    });
  };
  const rest = (text, t) => make("li", { className: "rest" }, button(text, () => act.step(t)));
  const steps = alone(overview.roles, aloneIn(overview, view), begin, [from, to], view.step, drawn, act.step);
  if (from > 0) steps.unshift(rest(`${from} earlier steps`, from - 1));
  if (to < overview.length(e)) steps.push(rest(`${overview.length(e) - to} later steps`, to));
  else steps.push(make("li", { className: "end" }, ...passage("observation", leaf.texts[leaf.observations[where.points + to]])));
  const error = overview.error(e);
  return [
    make("h2", { className: "goal", text: overview.text("goal", e) || overview.text("task", e) || overview.text("id", e) }), facts(overview, e),
    await along(overview, leaf, where, view, act), await tree(overview, view, actionAt, scales[view.scorer], act),
    error === null ? null : make("p", { className: "error", text: error }),
    overview.roles && drawRoles(overview, overview.roles, view, act.role),
    controls(overview, view, act), heads(overview, view, act),
    make("ol", { className: "steps", "aria-label": "steps" }, ...steps),
  ].filter(Boolean);
}
