// One step: what was seen and done, what is known of it, and what each scorer says.

import { make, onDemand, passage } from "./dom.mjs";
import { credit, paint, plain, signed } from "./tint.mjs";

function notes(step, tag) {
  const parts = [];
  const add = (text, className = "") => parts.push(make("span", { text, className }));
  if (tag) parts.push(tag);
  else if (step.role) add(step.role);
  if (step.invalid) add("refused", "bad");
  if (step.reward) add(`reward ${signed(step.reward)}`, step.reward > 0 ? "good" : "bad");
  if (step.verifier !== null) add(`verifier ${signed(step.verifier)}`);
  if (step.belief !== null) add(`belief ${plain(step.belief)}`);
  if (step.advantage !== null) add(`exact advantage ${signed(step.advantage)}`);
  for (const [label, text] of step.more) add(`${label} ${text}`);
  if (step.expert.length) {
    if (step.expert.includes(step.action)) add("as the expert", "good");
    else add(`expert: ${step.expert.join(" · ")}`);
  }
  if (step.finish && !["stop", "tool_calls"].includes(step.finish)) add(`reply ended by ${step.finish}`, "bad");
  for (const text of step.calls) add(`calls ${text}`);
  if (step.admissible.length) {
    parts.push(onDemand(`${step.admissible.length} actions on offer`, async () => [
      make("ul", {}, ...step.admissible.map((text) => make("li", { text })))]));
  }
  return make("div", { className: "notes" }, ...parts);
}

// `values` are the credits of the scorers, `scales` their largest ones, `chosen` the scorer that tints; `why` and `model`
// fill what is read on demand; `labels` are the buttons of its label, `tag` says who acted; `hit` is whether a search found the step.
export function drawStep(step, t, { names, values, scales, chosen, why, model, labels, tag = null, hit, current, choose }) {
  const said = names.length ? `, ${names[chosen]} ${credit(values[chosen])}` : "";
  const index = make("button", {
    type: "button", className: "index", text: String(t), "aria-label": `step ${t}${said}`,
    "aria-current": current ? "step" : "false", on: { click: () => choose(t) } });
  paint(index, "border-left-color", values[chosen], scales[chosen], 1);
  const details = make("div", { className: "asked" },
    why === null ? null : onDemand("why this number?", why, { className: "why" }),
    model === null ? null : onDemand("model", model, { className: "written" }), labels);
  const told = make("div", { className: "turn" }, ...passage("observation", step.observation), ...passage("action", step.action), notes(step, tag));
  for (const node of [told, details]) paint(node, "background-color", values[chosen], scales[chosen], 0.2);
  const credits = make("div", { className: "credits" }, ...names.map((name, s) => {
    const cell = make("div", { className: values[s] === null ? "credit none" : "credit", title: name },
      make("span", { className: "who", text: name }), make("span", { text: credit(values[s]) }));
    return paint(cell, "background-color", values[s], scales[s]);
  }));
  return make("li", { className: `step${current ? " current" : ""}${hit ? " hit" : ""}`, "data-step": String(t) }, index, told, credits, details);
}
