// The page: what is looked at, and what keys, links and buttons change of it.

import { overviewOf, sameName } from "./columns.mjs";
import { compareOf } from "./compare.mjs";
import { byLargest, disagreement } from "./disagreement.mjs";
import { make } from "./dom.mjs";
import { drawEpisode } from "./episode_view.mjs";
import { drawHistogram } from "./histogram.mjs";
import { keptPlace, keptRow } from "./kept_place.mjs";
import { labellingOf } from "./labelling.mjs";
import { matches } from "./leaf.mjs";
import { readComparison, readLink, showLink, writeLink } from "./link.mjs";
import { memoryOf } from "./memory.mjs";
import { TOKEN_TINTS } from "./model_view.mjs";
import { ORDERS, ROW, drawFilters, drawOrder, pickerOf } from "./picker.mjs";
import { aloneIn } from "./role_view.mjs";
import { nextRole, nextStep, numberOf } from "./roles.mjs";
import { drawHelp, meaning } from "./shortcuts.mjs";
import { FILTERS, largestOf, listed, named } from "./sift.mjs";
import { fromBlocks, fromServer } from "./source.mjs";
import { stacking } from "./stacking.mjs";
import { largest } from "./tint.mjs";

const SLICE = 12; // milliseconds of a search between two frames
const POLL = 2000; // milliseconds between two looks at a store that grows

const find = (id) => document.getElementById(id);
const source = find("overview") ? fromBlocks(document) : fromServer((name, options) => fetch(name, options));
const view = { episode: 0, step: null, scorer: 0, against: 1, filter: "all", search: "", hits: null, range: null, order: "played", scale: "page", role: null, token: TOKEN_TINTS[0], scales: [], along: true, tree: false, branches: new Map() };
const state = { overview: null, view, order: [], differing: null };
let picker = null;
let compare = null;
let stack = null;

const values = () => state.overview.data.credits[view.scorer] ?? null;
const say = (text) => { find("said").textContent = text; };

const memory = memoryOf(() => localStorage);
const labelling = labellingOf({ state, view, source, memory, find, say, go, redraw: () => draw({ scroll: false }), judged });

// How much the two judges differ at each step, and the steps in that order; worked out when it is first wanted.
function differing() {
  const pair = `${view.scorer} ${view.against}`;
  if (state.differing?.pair !== pair) {
    const measure = disagreement(values(), state.overview.measures[view.against].values);
    state.differing = { pair, measure, places: byLargest(measure), at: -1 };
  }
  return state.differing;
}

function ranks() {
  if (view.order === "credit" && values()) return largestOf(state.overview, values().map((value) => Math.abs(value ?? 0)));
  if (view.order === "disagreement" && state.overview.measures.length > 1) return largestOf(state.overview, differing().measure);
  return null;
}

function drawList() {
  state.order = listed(state.overview, { filter: view.filter, hits: view.hits, range: view.range, values: values(), rank: ranks() });
  picker.set(state.order.length);
  const narrowed = view.search || view.range || view.filter !== "all";
  const nothing = view.search ? `Nothing of ${state.overview.count} episodes says “${view.search}”: neither ids, tasks, goals and agents nor what was seen, done, thought and replied.` : "No episode is like that.";
  find("found").textContent = narrowed ? (state.order.length ? `${state.order.length} of ${state.overview.count} episodes` : nothing) : "";
}

let drawing = 0;
async function draw({ scroll = true } = {}) {
  const ticket = (drawing += 1);
  const place = find("episode");
  picker.refresh();
  if (!state.overview.count) {
    place.replaceChildren(make("p", { text: source.state ? "There is no episode yet." : "There are no episodes in this page." }));
    return;
  }
  const parts = await drawEpisode(state.overview, source, view, act);
  if (ticket !== drawing) return; // something else is looked at by now
  const held = place.contains(document.activeElement) ? document.activeElement.dataset.held : undefined;
  place.replaceChildren(...parts);
  if (held) place.querySelector(`[data-held="${held}"]`)?.focus({ preventScroll: true });
  if (view.step !== null) current()?.scrollIntoView({ block: "nearest" });
  else if (scroll) window.scrollTo({ top: 0 });
}

const current = () => find("episode").querySelector(".step.current");

function drawSides() {
  drawFilters(find("filters"), view.filter, act.filter);
  drawOrder(find("order"), state, act);
  const histogram = find("histogram");
  histogram.hidden = values() === null;
  if (histogram.open && values()) drawHistogram(histogram.lastElementChild, values(), view.range, act.range);
}

function go(e, t = null, { write = true } = {}) {
  if (!state.overview.count) return say("There is no episode yet.");
  const moved = e !== view.episode;
  view.episode = e;
  const length = state.overview.length(e);
  view.step = t === null || !length ? null : Math.max(0, Math.min(t, length - 1));
  if (write) showLink(link());
  const row = state.order.indexOf(e);
  if (moved && row >= 0) picker.show(row);
  return draw({ scroll: moved });
}

const nameOf = (e) => (e === undefined ? undefined : [state.overview.run(e).name, state.overview.text("id", e)]);
const link = () => (!state.overview.count ? "#" : writeLink({ run: state.overview.run(view.episode).name, id: state.overview.text("id", view.episode), step: view.step, tree: view.tree }));

function follow(hash) {
  const named_ = readLink(hash);
  const e = named_ === null ? undefined : state.overview.find(named_.run, named_.id);
  const pair = e === undefined ? readComparison(hash) : null;
  if (pair !== null) return openComparison(pair);
  const left = compare.opened;
  if (left) compare.close();
  if (named_?.tree) view.tree = true;
  if (named_ !== null && e === undefined) say(`There is no episode ${named_.id} of ${named_.run} here.`);
  return e === undefined ? null : go(e, named_.step, { write: left });
}

async function openComparison(wanted) {
  await compare.open(wanted);
  find("looking").hidden = compare.opened;
  return compare.opened ? null : draw();
}

function leaveComparison() {
  find("looking").hidden = false;
  showLink(link());
  return draw({ scroll: false });
}

// The search: what is known of each episode at once, then leaf after leaf; a new search ends an older one.
let searching = 0;
let typed = 0; // what was typed last and is to be searched
async function search(text) {
  const ticket = (searching += 1);
  const wanted = text.trim().toLowerCase();
  view.search = text.trim();
  view.hits = null;
  if (wanted) {
    const { overview } = state;
    const hits = new Map();
    const says = named(overview, wanted);
    for (let e = 0; e < overview.count; e += 1) if (says(e)) hits.set(e, []);
    let begun = performance.now();
    const size = overview.data.leaf;
    for (let first = 0; first < overview.count; first += size) {
      const steps = overview.data.episodes.steps.slice(first, first + size);
      if (source.state && first + size < overview.count) source.leaf("steps", first / size + 1); // on its way meanwhile
      for (const [e, found] of matches(await source.leaf("steps", first / size), steps, wanted)) hits.set(first + e, found);
      if (performance.now() - begun > SLICE) {
        find("found").textContent = `searching, ${Math.round((100 * first) / overview.count)} %`;
        await new Promise((resolve) => { setTimeout(resolve); });
        begun = performance.now();
      }
      if (ticket !== searching) return;
    }
    view.hits = hits;
  }
  drawList();
  if (state.order.length && !state.order.includes(view.episode)) await go(state.order[0]);
  else await draw({ scroll: false });
}

function moveEpisode(by) {
  const at = state.order.indexOf(view.episode);
  const next = state.order[at < 0 ? 0 : at + by];
  if (next !== undefined) return go(next);
  return say(state.order.length ? "There is no further episode." : "No episode is listed.");
}

function moveStep(by) {
  const { begins, roles } = state.overview;
  const [begin, length] = [begins[view.episode], state.overview.length(view.episode)];
  return go(view.episode, nextStep(roles, aloneIn(state.overview, view), begin, length, view.step ?? (by > 0 ? -1 : length), by) ?? view.step);
}

// The next step of this episode whose credit is at least half the largest in it.
function moveLarge(by) {
  const { begins } = state.overview;
  const [begin, end] = [begins[view.episode], begins[view.episode + 1]];
  const most = values() ? largest(values(), begin, end) : 0;
  for (let p = begin + (view.step ?? (by > 0 ? -1 : end - begin)) + by; most > 0 && p >= begin && p < end; p += by) {
    if (Math.abs(values()[p] ?? 0) >= most / 2) return go(view.episode, p - begin);
  }
  return say("There is no further step of large credit in this episode.");
}

function moveDisagreement(by) {
  if (state.overview.measures.length < 2 || !values()) return say("There are no two judges to compare.");
  const found = differing();
  const { places, measure } = found;
  const next = places[found.at + by];
  if (next === undefined) return say("The two judges differ nowhere else.");
  found.at += by;
  const e = state.overview.ownerOf(next);
  say(`disagreement ${measure[next].toFixed(2)}, number ${found.at + 1} of ${places.length}`);
  return go(e, next - state.overview.begins[e]);
}

function opened(className, place = current() ?? find("episode").querySelector(".step")) {
  const details = place?.querySelector(`details.${className}`);
  if (!details) return;
  details.open = !details.open;
  details.querySelector("summary").focus();
}

// The judges are others than they were.
function judged() {
  view.against = Math.min(view.against, Math.max(0, state.overview.measures.length - 1));
  drawSides();
}

const after = (names, name) => names[(names.indexOf(name) + 1) % names.length];
const around = (count, i) => (count ? (i + 1) % count : 0);

const act = {
  go,
  labels: labelling.bar,
  step: (t) => go(view.episode, t),
  along(open) {
    view.along = open;
    memory.set("curves", open ? "open" : "closed");
  },
  tree(open) {
    if (open === view.tree) return;
    view.tree = open;
    showLink(link());
  },
  scale: (name) => { view.scale = name; return draw({ scroll: false }); },
  scorer(s) {
    view.scorer = s;
    view.range = null;
    if (view.against === s && state.overview.measures.length > 1) view.against = around(state.overview.measures.length, s);
    drawSides();
    drawList();
    return draw({ scroll: false });
  },
  judge(i) { view.against = i; drawSides(); drawList(); },
  role(role) { view.role = role; return draw({ scroll: false }); },
  filter(name) { view.filter = name; drawSides(); drawList(); },
  range(range) { view.range = range; drawSides(); drawList(); },
  order(name) { view.order = name; drawSides(); drawList(); picker.show(0); },
};

const keys = {
  ...labelling.keys,
  nextEpisode: () => moveEpisode(1),
  previousEpisode: () => moveEpisode(-1),
  nextStep: () => moveStep(1),
  previousStep: () => moveStep(-1),
  nextLarge: () => moveLarge(1),
  previousLarge: () => moveLarge(-1),
  nextDisagreement: () => moveDisagreement(1),
  previousDisagreement: () => moveDisagreement(-1),
  nextScorer: () => act.scorer(around(state.overview.scorers.length, view.scorer)),
  nextJudge() {
    act.judge(around(state.overview.measures.length, view.against));
    say(`compared with ${state.overview.measures[view.against]?.name ?? "nobody"}`);
  },
  why: () => opened("why"),
  model: () => opened("written"),
  tokens() {
    view.token = after(TOKEN_TINTS, view.token);
    say(`tokens are tinted by ${view.token}`);
    return draw({ scroll: false }).then(() => opened("written"));
  },
  search: () => find("search").focus(),
  nextFilter: () => act.filter(after(Object.keys(FILTERS), view.filter)),
  nextOrder: () => act.order(after(Object.keys(ORDERS), view.order)),
  nextRole() {
    const { roles, begins } = state.overview;
    const next = nextRole(roles, begins[view.episode], begins[view.episode + 1], view.role);
    say(next === null ? "all roles" : `${roles.names[next]} alone`);
    return act.role(next);
  },
  histogram() { find("histogram").open = !find("histogram").open; },
  curves: () => opened("along", find("episode")),
  tree: () => opened("tree", find("episode")),
  compare: () => openComparison(),
  async copyLink() {
    const whole = new URL(compare.opened ? compare.link() : link(), location.href).href;
    try { await navigator.clipboard.writeText(whole); say("The link is copied."); } catch { say(whole); }
  },
  theme() {
    const dark = document.documentElement.classList.toggle("dark");
    memory.set("theme", dark ? "dark" : "light");
  },
  clear() {
    if (find("help").open) return find("help").close();
    document.activeElement.blur();
    clearTimeout(typed);
    find("search").value = "";
    if (!view.search) return undefined;
    return search("");
  },
  help() { if (find("help").open) find("help").close(); else find("help").showModal(); },
};

function summary() {
  const { overview } = state;
  const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
  const solved = overview.data.episodes.outcome.filter((outcome) => outcome === 0).length;
  const runs = overview.data.runs.length > 1 ? [count(overview.data.runs.length, "run")] : [];
  find("summary").textContent = [...runs, count(overview.count, "episode"), `${solved} solved`, count(overview.scorers.length, "scorer")].join(" · ");
}

// Takes an overview, keeping what is looked at where it is still there.
function take(data) {
  const seen = state.overview?.count ? readLink(link()) : null;
  const role = state.overview?.roles?.names[view.role];
  const [scorer, judge] = [state.overview?.scorers[view.scorer], state.overview?.measures[view.against]];
  state.overview = overviewOf(data);
  state.differing = null;
  view.branches.clear();
  view.scales = data.credits.map((each) => largest(each));
  view.scorer = sameName(state.overview.scorers, scorer, view.scorer);
  view.against = sameName(state.overview.measures, judge, view.against);
  view.episode = (seen && state.overview.find(seen.run, seen.id)) ?? 0;
  view.role = numberOf(state.overview.roles, role);
  labelling.place();
  stack();
  summary();
  find("comparing").hidden = data.sides.length < 2;
  drawSides();
  drawList();
}

// Takes what the store has by now, without losing the place.
async function taken() {
  const data = await source.overview();
  const pair = compare.opened ? compare.seen() : null;
  const row = keptRow(find("picker"), ROW, (i) => nameOf(state.order[i]), (name) => state.order.indexOf(state.overview.find(...name)));
  const back = keptPlace(find("episode"));
  take(data);
  row();
  if (pair) await compare.open(pair);
  else if (view.search) await search(view.search);
  else await draw({ scroll: false });
  back();
  say(`${state.overview.count} episode${state.overview.count === 1 ? "" : "s"}`);
  return data.version;
}

async function grow(version) {
  let seen = version;
  try {
    if ((await source.state()).version !== version) seen = await taken();
  } catch {
    say("The server does not answer: this is what it last said.");
  }
  setTimeout(grow, POLL, seen);
}

async function start() {
  const root = document.documentElement;
  const theme = memory.get("theme");
  view.along = memory.get("curves") !== "closed";
  root.classList.toggle("dark", theme === null ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark");
  find("theme").addEventListener("click", keys.theme);
  find("keys").addEventListener("click", keys.help);
  find("tables").hidden = !document.querySelector("#tables figure, #tables img");
  drawHelp(find("help"));
  stack = stacking(find("episode"), () => state.overview?.scorers.length ?? 0);
  picker = pickerOf(find("picker"), state, (e) => go(e));
  compare = compareOf(find("compare"), state, source, { ...act, say, leave: leaveComparison });
  find("comparing").addEventListener("click", () => (compare.opened ? compare.close() : keys.compare()));
  find("histogram").addEventListener("toggle", drawSides);
  find("labels").addEventListener("toggle", labelling.panel);
  window.addEventListener("storage", labelling.heard);
  find("search").addEventListener("input", (event) => {
    clearTimeout(typed);
    typed = setTimeout(search, 150, event.target.value);
  });
  document.addEventListener("keydown", (event) => {
    const does = meaning(event);
    const { theme, help, copyLink } = keys;
    const doing = compare.opened && !find("help").open ? { theme, help, copyLink, ...compare.keys } : keys;
    if (!doing[does] || (find("help").open && !["help", "clear"].includes(does))) return;
    event.preventDefault();
    doing[does]();
  });
  window.addEventListener("unhandledrejection", ({ reason }) => say(reason.message)); // of a server that is gone
  window.addEventListener("hashchange", () => follow(location.hash));
  const data = await source.overview();
  take(data);
  const linked = follow(location.hash);
  await (linked ?? draw());
  if (source.state) setTimeout(grow, POLL, data.version);
  performance.mark("interactive");
}

start();
