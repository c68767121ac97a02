// Comparing two sides: which of their pairs are listed, which pair and step is looked at, and the keys for that.

import { button, make, select, table } from "./dom.mjs";
import { showLink, writeComparison } from "./link.mjs";
import { FLIPS, PAIR_ORDERS, combinations, counted, listedPairs, sidesPlayed } from "./pairs.mjs";
import { ROWS, drawPair } from "./pair_view.mjs";
import { strip } from "./tint.mjs";
import { virtualList } from "./virtual_list.mjs";

const ROW = 58; // pixels, as in the style sheet

const around = (names, name) => names[(names.indexOf(name) + 1) % names.length];

function drawFrame(place) {
  const frame = {
    which: make("div", { className: "order" }),
    flips: make("div", { className: "filters flips", role: "group", "aria-label": "show pairs" }),
    order: make("div", { className: "order" }),
    found: make("p", { className: "found", role: "status" }),
    picker: make("div", { className: "picker", tabindex: "-1" }),
    totals: make("section", { className: "totals", "aria-label": "totals" }),
    pair: make("article", {}),
  };
  place.replaceChildren(
    make("nav", { "aria-label": "pairs of episodes" }, frame.which, frame.flips, frame.order, frame.found, frame.picker),
    make("main", {}, frame.totals, frame.pair));
  return frame;
}

// `place` is drawn into; `act` has `scorer(s)`, `go(e, t)`, `say(text)` and `leave()`.
export function compareOf(place, state, source, act) {
  const view = { number: 0, comparison: null, flip: "all", range: [null, null], order: "played", pair: null, step: null, rows: ROWS };
  const frame = drawFrame(place);
  let order = [];
  const list = virtualList(frame.picker, ROW, (i) => drawRow(order[i]));
  const sides = () => state.overview.data.sides;
  const pairs = () => combinations(sides().length);
  const names = () => pairs()[view.number].map((side) => sides()[side].name);

  const seen = () => ({ sides: names(), id: view.pair === null ? null : state.overview.text("id", view.comparison.first[view.pair]), step: view.step });
  const link = () => writeComparison(seen());

  function drawRow(n) {
    const { overview } = state;
    const { first, second, seeds, steps } = view.comparison;
    const both = [first[n], second[n]];
    const node = button("", () => choose(n), { className: "pair", title: overview.text("goal", first[n]), "aria-current": String(n === view.pair), "data-row": String(n) });
    const marks = both.map((e) => overview.outcome(e)).map(({ name, mark, says }) => make("span", { className: name, text: mark, role: "img", "aria-label": says }));
    const strips = both.map((e) => {
      const bar = make("span", { className: "strip", "aria-hidden": "true" });
      const values = overview.data.credits[state.view.scorer];
      const colours = values && strip(values, overview.begins[e], overview.begins[e + 1], state.view.scales[state.view.scorer]);
      if (colours) bar.style.setProperty("background-image", colours);
      return bar;
    });
    node.append(make("span", { className: "marks" }, ...marks),
      make("span", { className: "name" }, overview.text("task", first[n]), make("span", { text: ` ${seeds[n] ?? ""}` })),
      make("span", { className: "count", text: steps[n] === null ? "alike" : `@${steps[n]}`, "aria-label": steps[n] === null ? "alike" : `parts at step ${steps[n]}` }),
      ...strips);
    return make("li", {}, node);
  }

  function drawSides() {
    const { overview } = state;
    const pick = (label, texts, chosen, does) => select(label, texts, chosen, does);
    const versus = pairs().map((pair) => pair.map((side) => sides()[side]).map(({ name, agent }) => (agent ? `${agent} (${name})` : name)).join(" and "));
    const played = sidesPlayed(overview.data);
    frame.which.replaceChildren(pick("which are compared", versus, view.number, (i) => show(i)),
      ...(played > sides().length ? [make("span", { text: `The first ${sides().length} of ${played} are compared.` })] : []));
    const counts = counted(overview, view.comparison);
    frame.flips.replaceChildren(...Object.entries(FLIPS).map(([name, { says }]) => button(`${name} ${counts[name]}`, () => filter(name), {
      "aria-pressed": String(name === view.flip), title: says, "aria-label": `${says}: ${counts[name]}` })));
    const bound = (label, i) => {
      const field = make("input", { type: "number", min: "0", "aria-label": label, value: view.range[i] ?? "", on: { input: () => {
        view.range[i] = field.value === "" ? null : Number(field.value);
        drawList();
      } } });
      return field;
    };
    const orders = Object.keys(PAIR_ORDERS);
    frame.order.replaceChildren(
      make("span", { text: "part at step" }), bound("least step at which they part", 0), make("span", { text: "to" }), bound("largest step at which they part", 1),
      pick("order of pairs", Object.values(PAIR_ORDERS), orders.indexOf(view.order), (i) => reorder(orders[i])),
      ...(overview.scorers.length ? [pick("credit of pairs", overview.scorers.map(({ name }) => name), state.view.scorer, scorer)] : []));
    const { title, heads, rows } = view.comparison;
    const paired = view.comparison.first.length;
    const alone = pairs()[view.number].map((side) => `${sides()[side].episodes - paired} of ${sides()[side].name}`).join(", ");
    const told = paired
      ? [table(heads, rows), make("p", { className: "found", text: `Without a partner of the same task and seed, or not completed: ${alone}.` })]
      : [make("p", { text: "They have no completed episode of the same task and seed in common: play both with equal --env, --env-arg, --seed and --group-size." })];
    frame.totals.replaceChildren(make("h2", { text: title }), ...told);
  }

  function drawList() {
    order = listedPairs(state.overview, view.comparison, { ...view, scorer: state.view.scorer });
    list.set(order.length);
    const all = view.comparison.first.length;
    frame.found.textContent = all && !order.length ? "No pair is like that." : `${order.length === all ? "" : `${order.length} of `}${all} ${all === 1 ? "pair" : "pairs"}`;
  }

  let drawing = 0;
  async function draw() {
    const ticket = (drawing += 1);
    list.refresh();
    const parts = view.pair === null ? [] : await drawPair(state.overview, source, {
      ...view, n: view.pair, names: names(), scorer: state.view.scorer, scale: state.view.scales[state.view.scorer] }, {
      step: (t) => choose(view.pair, t),
      more: () => { view.rows += 4 * ROWS; return draw(); },
      open: (e, t) => { close(); return act.go(e, t); },
    });
    if (ticket !== drawing) return;
    frame.pair.replaceChildren(...parts);
    frame.pair.querySelector(".step.current")?.scrollIntoView({ block: "nearest" });
  }

  // Goes to a pair, and to a step of it: by itself to where it parts.
  function choose(n, step = view.comparison.steps[n]) {
    const moved = n !== view.pair;
    view.pair = n;
    view.step = step === null ? null : Math.max(0, Math.min(step, longest(n) - 1));
    if (moved) view.rows = ROWS;
    showLink(link());
    const row = order.indexOf(n);
    if (moved && row >= 0) list.show(row);
    return draw();
  }

  const longest = (n) => Math.max(1, ...[view.comparison.first[n], view.comparison.second[n]].map((e) => state.overview.length(e)));

  // Shows a comparison: of a pair by the id of its first episode, else the first that is listed.
  async function show(number, { id = null, step = undefined } = {}) {
    const comparison = await source.leaf("compare", number);
    Object.assign(view, { number, comparison, pair: null, step: null });
    drawSides();
    drawList();
    const named = id === null ? undefined : comparison.first.findIndex((e) => state.overview.text("id", e) === id);
    if (named === -1) act.say(`There is no pair of the episode ${id} here.`);
    const n = named >= 0 ? named : order[0];
    if (n !== undefined) return choose(n, step);
    showLink(link());
    return draw();
  }

  function filter(name) {
    view.flip = name;
    drawSides();
    drawList();
    if (order.length && !order.includes(view.pair)) return choose(order[0]);
    return draw();
  }

  function reorder(name) { view.order = name; drawSides(); drawList(); return draw(); }

  function scorer(s) {
    act.scorer(s);
    drawSides();
    drawList();
    return draw();
  }

  function move(by) {
    const at = order.indexOf(view.pair);
    const next = order[at < 0 ? 0 : at + by];
    return next === undefined ? act.say(order.length ? "There is no further pair." : "No pair is listed.") : choose(next);
  }

  const moveStep = (by) => (view.pair === null ? undefined : choose(view.pair, view.step === null ? 0 : view.step + by));

  function close() {
    place.hidden = true;
    act.leave();
  }

  return {
    get opened() { return !place.hidden; },
    link,
    close,
    // Opens what is linked to: two sides by name, the id of an episode of the first, and a step.
    async open({ sides: wanted = [], id = null, step = undefined } = {}) {
      if (sides().length < 2) return act.say("There is one side only: give `credit-gym view` two runs of the same tasks and seeds.");
      const number = wanted.length ? pairs().findIndex((pair) => pair.every((side, i) => sides()[side].name === wanted[i])) : view.number;
      if (number < 0) return act.say(`${wanted.join(" and ")} are not compared here.`);
      place.hidden = false;
      return show(number, { id, step: step ?? undefined });
    },
    // What is looked at, to be shown again when there are more episodes.
    seen,
    keys: {
      nextEpisode: () => move(1),
      previousEpisode: () => move(-1),
      nextStep: () => moveStep(1),
      previousStep: () => moveStep(-1),
      nextScorer: () => (state.overview.scorers.length ? scorer((state.view.scorer + 1) % state.overview.scorers.length) : undefined),
      nextFilter: () => filter(around(Object.keys(FLIPS), view.flip)),
      nextOrder: () => reorder(around(Object.keys(PAIR_ORDERS), view.order)),
      compare: close,
      clear: close,
    },
  };
}
