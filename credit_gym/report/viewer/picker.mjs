// The list of episodes, its filters, and the order it is in.

import { button, make, select } from "./dom.mjs";
import { FILTERS } from "./sift.mjs";
import { strip } from "./tint.mjs";
import { virtualList } from "./virtual_list.mjs";

export const ROW = 58; // pixels, as in the style sheet

export const ORDERS = { played: "as played", credit: "largest credit", disagreement: "disagreement" };

export function pickerOf(place, state, choose) {
  const row = (i) => {
    const { overview, view, order } = state;
    const e = order[i];
    const outcome = overview.outcome(e);
    const bar = make("span", { className: "strip", "aria-hidden": "true" });
    if (overview.scorers.length) {
      const colours = strip(overview.data.credits[view.scorer], overview.begins[e], overview.begins[e + 1], view.scales[view.scorer]);
      if (colours) bar.style.setProperty("background-image", colours);
    }
    const node = button("", () => choose(e), { title: overview.text("goal", e), "aria-current": String(e === view.episode), "data-row": String(e) });
    node.append(make("span", { className: outcome.name, text: outcome.mark, role: "img", "aria-label": outcome.says }),
      make("span", { className: "name" }, make("span", { text: overview.text("id", e) }), ` ${overview.text("task", e)}`),
      make("span", { className: "count", text: String(overview.length(e)), "aria-label": `${overview.length(e)} steps` }), bar);
    return make("li", {}, node);
  };
  return virtualList(place, ROW, row);
}

export function drawFilters(place, chosen, choose) {
  place.replaceChildren(...Object.keys(FILTERS).map((name) => button(name, () => choose(name), { "aria-pressed": String(name === chosen) })));
}

// By what the episodes are ordered; beside disagreement, between which two judges.
export function drawOrder(place, { overview, view }, act) {
  const keys = Object.keys(ORDERS);
  const parts = [select("order", Object.values(ORDERS), keys.indexOf(view.order), (i) => act.order(keys[i]))];
  if (overview.measures.length > 1) {
    const names = overview.measures.map(({ name }) => name);
    parts.push(make("span", { text: "of" }), select("one judge", overview.scorers.map(({ name }) => name), view.scorer, act.scorer),
      make("span", { text: "and" }), select("the other judge", names, view.against, act.judge));
  }
  place.replaceChildren(...parts.filter(Boolean));
}
