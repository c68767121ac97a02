// The tree of a group: at each moment where its episodes part the branches, with what they were worth.

import { button, make } from "./dom.mjs";
import { playsAt, togetherUntil, worth } from "./branches.mjs";
import { credit, paint, plain } from "./tint.mjs";

const MOST = 30; // branches of a moment that are listed at once

const short = (text) => (text.length > 120 ? `${text.slice(0, 120)}…` : text);
const digits = (value) => (value === null ? "–" : plain(Number(value.toPrecision(4))));
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// `tree` is what treeOf returns; `open` remembers which branches were opened or closed; `actionAt(place)` reads an
// action; `go(e, t)` goes to a step.
export async function drawTree(overview, tree, { episode, step, scorer, scale, open, keyName, actionAt, go }) {
  const items = async (members, t, level) => {
    const plays = playsAt(overview, tree, members, t);
    const list = make("ul", { role: level === 1 ? "tree" : "group", ...(level === 1 ? { "aria-label": "branches of the group" } : {}) });
    let listed = 0;
    const add = async () => {
      const next = plays.slice(listed, listed + MOST);
      listed += next.length;
      list.querySelector(":scope > .rest")?.remove();
      list.append(...await Promise.all(next.map((each) => item(each, t, level))));
      if (listed < plays.length) list.append(make("li", { className: "rest", role: "none" }, button(`${plays.length - listed} more branches`, add)));
    };
    await add();
    return list;
  };
  async function item(members, t, level) {
    const until = togetherUntil(overview, tree, members, t);
    const parts = members.filter((e) => until < overview.length(e));
    const ended = members.filter((e) => until >= overview.length(e));
    const own = members.includes(episode);
    const name = `${members[0]}-${t}`;
    const { episodes, solved, earned, credit: value } = worth(overview, members, t, scorer);
    const e = own ? episode : members[0];
    const text = t < 0 ? "start" : short(await actionAt(overview.begins[e] + t));
    const more = until - t - 1;
    const ends = new Map();
    for (const each of ended) ends.set(overview.outcome(each), (ends.get(overview.outcome(each)) ?? 0) + 1);
    const label = make("span", { className: "branch" },
      make("span", { className: "twig", "aria-hidden": "true" }), make("span", { className: "at", text: t < 0 ? "" : String(t) }), make("span", { className: "did", text }),
      more > 0 ? make("span", { className: "on", text: `and ${counted(more, "step")} on` }) : null,
      ...[...ends].map(([{ name: kind, mark, says }, count]) => make("span", { className: kind, text: `${mark} ${count > 1 ? `${count} ` : ""}${says}` })),
      make("span", { className: "worth", text: `${counted(episodes, "episode")}, ${solved} solved, mean return ${digits(earned)}` }),
      t < 0 || !overview.scorers.length ? null : paint(make("span", { className: "value", text: credit(value), title: overview.scorers[scorer].name }), "background-color", value, scale));
    const here = own && step !== null && step >= t && step < until;
    const said = [...label.children].map(({ textContent }) => textContent).filter(Boolean).join(", "); // without what is below
    const node = make("li", { role: "treeitem", "aria-label": said, "aria-level": String(level), tabindex: "-1", "data-held": name, ...(here ? { "aria-current": "step" } : {}), className: own ? "own" : "" }, label);
    const expand = async (wanted) => {
      open.set(name, wanted);
      node.setAttribute("aria-expanded", String(wanted));
      node.querySelector(":scope > ul")?.remove();
      if (wanted) node.append(await items(parts, until, level + 1));
    };
    Object.assign(node, { visit: () => go(e, Math.max(t, 0)), expand: parts.length ? expand : null });
    label.addEventListener("click", ({ target }) => (target.className === "twig" && parts.length ? expand(node.getAttribute("aria-expanded") !== "true") : node.visit()));
    if (parts.length) await expand(open.get(name) ?? own);
    return node;
  }
  const starts = playsAt(overview, tree, tree.members, -1);
  const list = await items(starts.length === 1 ? starts[0] : tree.members, starts.length === 1 ? 0 : -1, 1);
  const first = list.querySelector("[aria-current]") ?? list.querySelector("[role=treeitem]");
  first?.setAttribute("tabindex", "0");
  list.addEventListener("focusin", ({ target }) => {
    if (target.getAttribute("role") !== "treeitem") return;
    list.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    target.setAttribute("tabindex", "0");
  });
  list.addEventListener("keydown", (event) => {
    const node = event.target.closest("[role=treeitem]");
    const does = node && event.target === node && steer(list, node, event.key);
    if (!does) return;
    event.preventDefault();
    event.stopPropagation();
    does();
  });
  const what = tree.grown ? "Plays that were drawn at one moment, from the tree that was grown by going back to it."
    : `Episodes of the group that did the same in the same states (key: ${keyName}), until they part.`;
  return [make("p", { text: `${what} The number is the mean ${overview.scorers[scorer]?.name ?? "credit"} of the step.` }), list];
}

// What a key does in a tree, as in every tree: up and down, into and out of a branch, to the step.
function steer(list, node, key) {
  const all = [...list.querySelectorAll("[role=treeitem]")];
  const at = all.indexOf(node);
  const expanded = node.getAttribute("aria-expanded");
  const focus = (other) => other && (() => other.focus());
  return {
    ArrowDown: focus(all[at + 1]),
    ArrowUp: focus(all[at - 1]),
    Home: focus(all[0]),
    End: focus(all.at(-1)),
    ArrowRight: expanded === "false" ? () => node.expand(true) : expanded === "true" ? focus(node.querySelector("[role=treeitem]")) : null,
    ArrowLeft: expanded === "true" ? () => node.expand(false) : focus(node.parentElement.closest("[role=treeitem]")),
    Enter: node.visit,
    " ": node.expand && (() => node.expand(expanded !== "true")),
  }[key];
}
