// What an episode was worth as it went on: beliefs, values, and what the verifier and a scorer add up to.

import { make } from "./dom.mjs";
import { plain } from "./tint.mjs";

const HIGH = 100; // of a curve's own units, whatever its pixels are
const MARGIN = 8;

const digits = (value) => (value === null ? "–" : plain(Number(value.toPrecision(4))));

// What some steps add up to, before each and after the last; null after a step of which nothing is known.
export function summed(steps) {
  let sum = 0;
  return [0, ...steps.map((value) => (value === null ? null : (sum += value)))];
}

// The curves of an episode of which anything was recorded, each of one number a point. `where` is where the episode lies
// in its leaf, `credits` are those of one scorer, `name` is the scorer's.
export function curvesOf(leaf, where, length, credits, name) {
  const points = (column) => column?.slice(where.points, where.points + length + 1) ?? [];
  const steps = (column) => column?.slice(where.steps, where.steps + length) ?? [];
  const recorded = (values) => values.some((value) => value !== null);
  return [
    { name: "belief", values: points(leaf.belief) },
    { name: "value", values: points(leaf.values) },
    { name: "verifier, summed", values: recorded(steps(leaf.verifier)) ? summed(steps(leaf.verifier)) : [] },
    { name: `${name}, summed`, values: recorded(credits) ? summed(credits) : [] },
  ].filter(({ values }) => recorded(values));
}

// A curve's path through points (i, value); where a value is missing it is broken, and a value between two gaps is a dot.
export function pathOf(values, [low, high]) {
  const y = heightOf([low, high]);
  const parts = [];
  values.forEach((value, i) => {
    if (value === null) return;
    const alone = (values[i - 1] ?? null) === null;
    parts.push(`${alone ? "M" : "L"}${i} ${y(value).toFixed(2)}`);
    if (alone && (values[i + 1] ?? null) === null) parts.push("h0");
  });
  return parts.join("");
}

const heightOf = ([low, high]) => (value) => (high > low ? HIGH - MARGIN - ((HIGH - 2 * MARGIN) * (value - low)) / (high - low) : HIGH / 2);

// The least and the largest value, by a loop: an episode may be longer than a call has arguments.
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) if (value !== null) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

// A curve in words.
export function described({ name, values }) {
  const known = values.filter((value) => value !== null);
  const [low, high] = rangeOf(values);
  const gaps = values.length - known.length;
  return `${name}: from ${digits(known[0])} to ${digits(known.at(-1))}, least ${digits(low)} after ${values.indexOf(low)} steps, most ${digits(high)} after ${values.indexOf(high)}${gaps ? `, not known at ${gaps} of ${values.length} points` : ""}`;
}

// An element of a drawing, in the namespace of the page's empty one: the script names no address.
function svg(tag, attributes, ...children) {
  const node = document.createElementNS(document.getElementById("drawing").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

function drawCurve(curve, length, go) {
  const range = rangeOf(curve.values);
  const mark = svg("rect", { class: "mark", y: 0, height: HIGH, width: 1 });
  const zero = heightOf(range)(0);
  const node = svg("svg", { viewBox: `0 0 ${length} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": described(curve) }, mark,
    ...(range[0] < 0 && range[1] > 0 ? [svg("path", { class: "zero", d: `M0 ${zero.toFixed(2)}H${length}` })] : []),
    svg("path", { class: "curve", d: pathOf(curve.values, range) }));
  node.addEventListener("click", ({ clientX }) => {
    const { left, width } = node.getBoundingClientRect();
    go(Math.max(0, Math.min(length - 1, Math.floor((length * (clientX - left)) / width))));
  });
  const now = make("span", { className: "now" });
  const show = (t) => {
    mark.toggleAttribute("hidden", t === null);
    mark.setAttribute("x", String(t ?? 0));
    const value = t === null ? "" : `${digits(curve.values[t])} → ${digits(curve.values[t + 1])}`;
    now.textContent = value || `${digits(range[0])} to ${digits(range[1])}`;
    return value && `${curve.name} ${value}`;
  };
  return { show, node: make("div", { className: "row" }, make("span", { className: "what" }, make("b", { text: curve.name }), now), node) };
}

// The curves above a slider of the steps; a click goes to a step, and so does the slider when it is let go.
export function drawCurves(curves, length, step, go) {
  const drawn = curves.map((curve) => drawCurve(curve, length, go));
  const slider = make("input", { type: "range", min: "0", max: String(length - 1), "aria-label": "step", "data-held": "curves" });
  const show = (t) => slider.setAttribute("aria-valuetext", [`step ${t ?? "none"}`, ...drawn.map((each) => each.show(t))].filter(Boolean).join(", "));
  slider.value = String(step ?? 0);
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("change", () => go(Number(slider.value)));
  show(step);
  return make("div", { className: "curves" }, ...drawn.map(({ node }) => node), make("div", { className: "row" }, make("span", { className: "what", text: "step" }), slider));
}
