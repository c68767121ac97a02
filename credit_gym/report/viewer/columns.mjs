// The overview: columns of all episodes, and of each step its credits, its state and its action by number.

import { rolesOf } from "./roles.mjs";

export const OUTCOMES = [
  { name: "solved", mark: "✓", says: "solved" },
  { name: "failed", mark: "✗", says: "failed" },
  { name: "cut", mark: "…", says: "cut off" },
  { name: "broken", mark: "!", says: "did not complete" },
];

// Where the steps of each episode begin, and after the last where they end.
export function beginsOf(steps) {
  const begins = new Int32Array(steps.length + 1);
  steps.forEach((count, e) => { begins[e + 1] = begins[e] + count; });
  return begins;
}

// Members of each number: `of(n)` lists the places where a column holds n.
export function inverse(column) {
  let most = -1;
  for (const number of column) if (number > most) most = number;
  const starts = new Int32Array(most + 2);
  for (const number of column) if (number >= 0) starts[number + 1] += 1;
  for (let n = 0; n <= most; n += 1) starts[n + 1] += starts[n];
  const next = starts.slice();
  const members = new Int32Array(starts[most + 1]);
  column.forEach((number, place) => { if (number >= 0) members[next[number]++] = place; });
  return { of: (number) => (number < 0 || number > most ? [] : members.subarray(starts[number], starts[number + 1])) };
}

// Where what was chosen stands in a list that may have grown in front of it; where it was if it is gone.
export function sameName(list, chosen, before) {
  const found = list.findIndex((each) => each.name === chosen?.name);
  return found >= 0 ? found : Math.max(0, Math.min(before, list.length - 1));
}

export function overviewOf(data) {
  const { episodes, texts } = data;
  const begins = beginsOf(episodes.steps);
  const visits = [];
  const links = new Map();
  const linkName = (run, id) => `${run}\n${id}`;
  episodes.id.forEach((id, e) => links.set(linkName(data.runs[episodes.run[e]].name, texts[id]), e));
  return {
    data,
    begins,
    count: episodes.steps.length,
    scorers: data.scorers,
    // what a step can be judged by: the scorers, then what others know of it
    measures: [
      ...data.scorers.map((scorer, s) => ({ name: scorer.name, values: data.credits[s] })),
      ...Object.entries(data.references).map(([name, values]) => ({ name, values })),
    ],
    text: (column, e) => texts[episodes[column][e]],
    error: (e) => (episodes.error[e] < 0 ? null : texts[episodes.error[e]]),
    outcome: (e) => OUTCOMES[episodes.outcome[e]],
    run: (e) => data.runs[episodes.run[e]],
    length: (e) => episodes.steps[e],
    earned: (e) => episodes.return[e],
    credit: (s, e, t) => data.credits[s]?.[begins[e] + t] ?? null,
    find: (run, id) => links.get(linkName(run, id)),
    ownerOf(place) {
      let [low, high] = [0, episodes.steps.length - 1];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (begins[middle] <= place) low = middle;
        else high = middle - 1;
      }
      return low;
    },
    roles: rolesOf(data),
    // the steps that share a step's state under a key, itself among them
    companyOf(key, place) {
      if (!data.nodes[key]) return [];
      visits[key] ??= inverse(data.nodes[key]);
      return visits[key].of(data.nodes[key][place]);
    },
  };
}
