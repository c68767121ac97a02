
"use strict";
// Everything that comes from an episode enters the document through textContent; nothing is ever parsed as HTML.
const { scorers, episodes } = JSON.parse(document.getElementById("data").textContent);
const view = { episode: 0, scorer: 0, filter: "all", search: "", scale: "report" };
const MINUS = "\u2212";

const outcomes = {
  solved: { mark: "✓", says: "solved", holds: (e) => !e.error && e.success },
  failed: { mark: "✗", says: "failed", holds: (e) => !e.error && !e.success && !e.truncated },
  cut: { mark: "…", says: "cut off", holds: (e) => !e.error && !e.success && e.truncated },
  broken: { mark: "!", says: "did not complete", holds: (e) => e.error !== null },
};
const outcome = (e) => Object.keys(outcomes).find((name) => outcomes[name].holds(e));

function make(tag, properties = {}, ...children) {
  const { className, text, on = {}, ...attributes } = properties;
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function sign(value) {
  return value < 0 ? MINUS : "+";
}
function credit(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  return sign(value) + (size >= 1000 || size < 0.0005 ? size.toExponential(1) : size.toFixed(size >= 100 ? 1 : 3));
}
const signed = (value) => (value ? sign(value) + Math.abs(value) : String(value ?? "–"));

function largest(columns) {
  let most = 0;
  for (const column of columns) for (const value of column || []) most = Math.max(most, Math.abs(value || 0));
  return most;
}
const reportScale = scorers.map((_, s) => largest(episodes.map((e) => e.credits[s])));
const scaleOf = (e, s) => (view.scale === "report" ? reportScale[s] : largest([e.credits[s]]));

function tint(value, scale, strength = 0.6) {
  if (!value || !scale) return "";
  const alpha = strength * Math.sqrt(Math.min(1, Math.abs(value) / scale));
  return `rgb(var(--${value > 0 ? "plus" : "minus"}) / ${alpha.toFixed(3)})`;
}
function paint(node, property, value, scale, strength) {
  const colour = tint(value, scale, strength);
  if (colour) node.style.setProperty(property, colour);
  return node;
}
const creditOf = (e, s, t) => (e.credits[s] ? e.credits[s][t] : null);

// The list of episodes

function shown() {
  const wanted = view.search.toLowerCase();
  return episodes.map((e, i) => [e, i]).filter(([e]) =>
    (view.filter === "all" || (view.filter === "solved") === (outcome(e) === "solved")) &&
    [e.id, e.task, e.goal, e.agent, e.environment].some((text) => text.toLowerCase().includes(wanted)));
}

function strip(e) {
  const [scale, width] = [scaleOf(e, view.scorer), 100 / Math.max(1, e.steps.length)];
  const ticks = e.steps.map((_, t) =>
    `${tint(creditOf(e, view.scorer, t), scale, 1) || "transparent"} ${t * width}% ${(t + 1) * width}%`);
  const node = make("span", { className: "strip", "aria-hidden": "true" });
  if (ticks.length) node.style.setProperty("background-image", `linear-gradient(90deg, ${ticks.join(", ")})`);
  return node;
}

function drawPicker() {
  const items = shown().map(([e, i]) => {
    const { mark, says } = outcomes[outcome(e)];
    const button = make("button", { type: "button", title: e.goal, "aria-current": String(i === view.episode), on: { click: () => choose(i) } },
      make("span", { className: outcome(e), text: mark, "aria-label": says }),
      make("span", { className: "name", text: `${e.task} ` }, make("span", { text: e.id })),
      make("span", { className: "steps", text: `${e.steps.length}` }),
      scorers.length ? strip(e) : null);
    return make("li", {}, button);
  });
  document.getElementById("picker").replaceChildren(...items);
  document.querySelector('#picker [aria-current="true"]')?.scrollIntoView({ block: "nearest" });
}

function drawFilters() {
  const buttons = ["all", "solved", "unsolved"].map((name) => make("button", {
    type: "button", text: name, "aria-pressed": String(view.filter === name),
    on: { click: () => { view.filter = name; drawFilters(); drawPicker(); } },
  }));
  document.getElementById("filters").replaceChildren(...buttons);
}

// One episode

function facts(e) {
  const kind = outcome(e);
  const entries = [["task", e.task], ["agent", e.agent], ["environment", e.environment], ["group", e.group], ["episode", e.id],
    ["steps", String(e.steps.length)], ["return", String(e.return ?? "–")]];
  return make("p", { className: "facts" }, make("span", { className: kind, text: `${outcomes[kind].mark} ${outcomes[kind].says}` }),
    ...entries.filter(([, value]) => value).map(([name, value]) => make("span", { text: `${name} ` }, make("b", { text: value }))));
}

function controls() {
  if (!scorers.length) return null;
  const other = view.scale === "report" ? "episode" : "report";
  return make("div", { className: "controls" },
    make("span", { text: "credit" }, make("span", { text: ` ${MINUS}` }), make("span", { className: "ramp" }), make("span", { text: "+" })),
    make("span", { text: `tint relative to each scorer's largest credit in the ${view.scale} ` }),
    make("button", { type: "button", text: `use the ${other}`, on: { click: () => { view.scale = other; draw(); } } }));
}

function passage(className, text) {
  const node = make("div", { className, text });
  if (text.length < 420 && text.split("\n").length < 7) return [node];
  node.classList.add("long");
  const more = make("button", { type: "button", className: "more", text: "show all", on: { click: () => {
    more.textContent = node.classList.toggle("long") ? "show all" : "show less";
  } } });
  return [node, more];
}

function notes(step) {
  const parts = [];
  const add = (text, className = "") => parts.push(make("span", { text, className }));
  if (step.role) add(step.role);
  if (step.invalid) add("refused", "bad");
  if (step.reward) add(`reward ${signed(step.reward)}`, step.reward > 0 ? "good" : "bad");
  if (step.verifier !== undefined) add(`verifier ${signed(step.verifier)}`);
  if (step.belief !== undefined) add(`belief ${step.belief ?? "–"}`);
  if (step.advantage !== undefined) add(`exact advantage ${signed(step.advantage)}`);
  for (const [label, text] of step.more || []) add(`${label} ${text}`);
  if (step.expert && step.expert.length) {
    if (step.expert.includes(step.action)) add("as the expert", "good");
    else add(`expert: ${step.expert.join(" · ")}`);
  }
  if (step.finish) add(`reply ended by ${step.finish}`, "bad");
  for (const text of step.calls || []) add(`calls ${text}`);
  for (const [name, text] of [["thought", step.thought], ["raw reply", step.reply]]) {
    if (text) parts.push(make("details", {}, make("summary", { text: name }), make("pre", { className: "model", text })));
  }
  if (step.admissible && step.admissible.length) {
    parts.push(make("details", {}, make("summary", { text: `${step.admissible.length} actions on offer` }),
      make("ul", {}, ...step.admissible.map((text) => make("li", { text })))));
  }
  return make("div", { className: "notes" }, ...parts);
}

function turn(e, step, t) {
  const chosen = creditOf(e, view.scorer, t);
  const scale = scaleOf(e, view.scorer);
  const index = paint(make("td", { className: "index", text: String(t) }), "border-left-color", chosen, scale, 1);
  const told = paint(make("td", { className: "turn" }, ...passage("observation", step.observation),
    ...passage("action", step.action), notes(step)), "background-color", chosen, scale, 0.2);
  const credits = scorers.map((name, s) => {
    const value = creditOf(e, s, t);
    const cell = make("td", { className: value === null ? "credit none" : "credit", text: credit(value), title: name });
    return paint(cell, "background-color", value, scaleOf(e, s));
  });
  return make("tr", {}, index, told, ...credits);
}

function board(e) {
  const heads = scorers.map((name, s) => make("th", { className: "scorer", scope: "col" }, make("button", {
    type: "button", text: name.replaceAll("_", "_\u200b"), title: "tint the steps by this scorer", "aria-pressed": String(s === view.scorer),
    on: { click: () => { view.scorer = s; draw(); } },
  })));
  const end = make("tr", { className: "end" }, make("td", { className: "index" }),
    make("td", { className: "turn", colspan: String(1 + scorers.length) }, ...passage("observation", e.final)));
  return make("div", { className: "board" }, make("table", {},
    make("thead", {}, make("tr", {}, make("th", { text: "" }), make("th", { text: "what it saw and did", scope: "col" }), ...heads)),
    make("tbody", {}, ...e.steps.map((step, t) => turn(e, step, t)), end)));
}

function draw() {
  drawPicker();
  const place = document.getElementById("episode");
  const e = episodes[view.episode];
  if (!e) return place.replaceChildren(make("p", { text: "There are no episodes in this report." }));
  place.replaceChildren(make("h2", { className: "goal", text: e.goal || e.task || e.id }), facts(e),
    ...(e.error === null ? [] : [make("p", { className: "error", text: e.error })]),
    ...[controls()].filter(Boolean), board(e));
}

function choose(i) {
  view.episode = i;
  history.replaceState(null, "", `#${i}`);
  draw();
  window.scrollTo({ top: 0 });
}

function move(by) {
  const order = shown().map(([, i]) => i);
  const at = order.indexOf(view.episode);
  const next = order[at < 0 ? 0 : at + by];
  if (next !== undefined) choose(next);
}

function start() {
  const solved = episodes.filter((e) => outcome(e) === "solved").length;
  const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
  document.getElementById("summary").textContent =
    [count(episodes.length, "episode"), `${solved} solved`, count(scorers.length, "scorer")].join(" · ");
  const root = document.documentElement;
  root.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
  document.getElementById("theme").addEventListener("click", () => root.classList.toggle("dark"));
  document.getElementById("search").addEventListener("input", (event) => { view.search = event.target.value; drawPicker(); });
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") move(1);
    if (event.key === "k") move(-1);
  });
  document.getElementById("tables").hidden = !document.querySelector("#tables figure");
  const linked = Number.parseInt(location.hash.slice(1), 10);
  view.episode = linked >= 0 && linked < episodes.length ? linked : 0;
  drawFilters();
  draw();
}
start();
