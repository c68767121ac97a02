// Roles as they are seen: a sign of its own for each, told apart by shape as by colour, and their credits in sum.

import { button, make, onDemand, table } from "./dom.mjs";
import { sums } from "./roles.mjs";
import { credit } from "./tint.mjs";

const SHAPES = ["●", "■", "▲", "◆", "★", "✚", "▼", "⬢"];
const COLOURS = 6; // in the style sheet, of a palette for every kind of colour blindness
const MOST = 12; // roles that have a button

function sign(role) {
  const node = make("span", { className: "sign", text: SHAPES[role % SHAPES.length], "aria-hidden": "true" });
  node.style.setProperty("color", `rgb(var(--role-${role % COLOURS}))`);
  return node;
}

export const tag = (roles, role) => make("span", { className: "who-acts" }, sign(role), make("span", { text: roles.names[role] }));

// Steps [from, to) of the episode at `begin` as elements: those of a role, and the one that is current, are drawn, what lies
// between them is one line.
export function alone(roles, role, begin, [from, to], current, drawn, show) {
  const parts = [];
  for (let t = from; t < to;) {
    let last = t;
    while (last < to && role !== null && last !== current && roles.of[begin + last] !== role) last += 1;
    if (last === t) parts.push(drawn(t));
    else {
      const first = t;
      parts.push(make("li", { className: "rest" }, button(`${last - t} step${last - t === 1 ? "" : "s"} of others`, () => show(first))));
    }
    t = Math.max(last, t + 1);
  }
  return parts;
}

// The role that is shown alone in an episode: none where it has no step there.
export function aloneIn(overview, { episode: e, role }) {
  const held = role !== null && overview.roles?.of.slice(overview.begins[e], overview.begins[e + 1]).includes(role);
  return held ? role : null;
}

// The roles of an episode with their sums under the scorer in use; a button shows the steps of one alone.
export function drawRoles(overview, roles, { episode: e, scorer, role: chosen }, choose) {
  const { credits } = overview.data;
  const own = sums(roles, credits, overview.begins[e], overview.begins[e + 1]);
  if (!own.length) return null;
  const chips = own.slice(0, MOST).map(({ role, steps, credits: each }) => {
    const node = button("", () => choose(role === chosen ? null : role), { "aria-pressed": String(role === chosen), title: "show its steps alone" });
    node.append(sign(role), make("span", { text: roles.names[role] }),
      make("small", { text: `${steps} step${steps === 1 ? "" : "s"}${credits.length ? ` · ${credit(each[scorer])}` : ""}` }));
    return node;
  });
  const names = overview.scorers.map(({ name }) => name.replaceAll("_", "_\u200b"));
  const rows = (found) => found.map(({ role, steps, credits: each }) => [tag(roles, role), steps, ...each.map(credit)]);
  const all = onDemand("credits by role", async () => [
    make("p", { text: "in this episode" }), table(["role", "steps", ...names], rows(own)),
    make("p", { text: `in all ${overview.count} episodes` }), table(["role", "steps", ...names], rows(sums(roles, credits, 0, roles.of.length)))]);
  const more = own.length > MOST ? make("span", { text: `and ${own.length - MOST} more` }) : null;
  return make("div", { className: "roles" }, make("div", { className: "chips", role: "group", "aria-label": "roles" }, ...chips, more), all);
}
