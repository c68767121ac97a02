// Which episodes are listed, and in which order.

import { holds } from "./histogram.mjs";

export const FILTERS = {
  all: () => true,
  solved: (outcome) => outcome === 0,
  unsolved: (outcome) => outcome !== 0,
};

const WORDS = ["id", "environment", "task", "group", "agent", "goal"];

// Whether what is known of an episode says something; texts are looked through once, however many episodes share them.
export function named(overview, wanted) {
  const said = overview.data.texts.map((text) => text.toLowerCase().includes(wanted));
  const { episodes } = overview.data;
  return (e) => WORDS.some((column) => said[episodes[column][e]]) || (episodes.error[e] >= 0 && said[episodes.error[e]]);
}

// The numbers of the episodes that are listed. `hits` are those that a search found, null for no search; `range` is of
// the values, a bar of the histogram, of which one step must lie in it; `rank` is a number an episode, by which the largest come first.
export function listed(overview, { filter = "all", hits = null, range = null, values = null, rank = null }) {
  const { outcome, steps } = overview.data.episodes;
  const within = (e) => {
    if (range === null || values === null) return true;
    for (let p = overview.begins[e]; p < overview.begins[e] + steps[e]; p += 1) {
      if (holds(range, values[p])) return true;
    }
    return false;
  };
  const found = [];
  for (let e = 0; e < overview.count; e += 1) {
    if (FILTERS[filter](outcome[e]) && (hits === null || hits.has(e)) && within(e)) found.push(e);
  }
  return rank === null ? found : found.sort((a, b) => rank[b] - rank[a] || a - b);
}

// A number an episode, that of its largest step; -1 where it has none.
export function largestOf(overview, measure) {
  const found = new Float64Array(overview.count).fill(-1);
  for (let e = 0; e < overview.count; e += 1) {
    for (let p = overview.begins[e]; p < overview.begins[e + 1]; p += 1) if (measure[p] > found[e]) found[e] = measure[p];
  }
  return found;
}
