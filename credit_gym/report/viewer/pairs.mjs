// Pairs of episodes that two sides played of the same task and seed: which are listed, and in which order.

const SOLVED = 0;

// What may have become of a task between the first side and the second.
export const FLIPS = {
  all: { says: "all pairs", is: () => true },
  "✓ → ✗": { says: "solved, then unsolved", is: (one, other) => one && !other },
  "✗ → ✓": { says: "unsolved, then solved", is: (one, other) => !one && other },
  both: { says: "solved by both", is: (one, other) => one && other },
  neither: { says: "solved by neither", is: (one, other) => !one && !other },
};

export const PAIR_ORDERS = { played: "as played", parting: "earliest parting", credit: "credit of the parting step" };

// The two sides of each comparison, by number.
export function combinations(count) {
  const found = [];
  for (let i = 0; i < count; i += 1) for (let j = i + 1; j < count; j += 1) found.push([i, j]);
  return found;
}

// How many sides there are, compared or not: a page compares the first ones alone.
export function sidesPlayed({ episodes }) {
  return new Set(episodes.run.map((run, e) => `${run} ${episodes.agent[e]}`)).size;
}

const outcomes = (overview, { first, second }, n) => [first[n], second[n]].map((e) => overview.data.episodes.outcome[e] === SOLVED);

// How many pairs each filter lists.
export function counted(overview, comparison) {
  const found = Object.fromEntries(Object.keys(FLIPS).map((name) => [name, 0]));
  comparison.first.forEach((_, n) => {
    const ended = outcomes(overview, comparison, n);
    for (const [name, { is }] of Object.entries(FLIPS)) if (is(...ended)) found[name] += 1;
  });
  return found;
}

// The credits that both sides have at the step at which a pair parts, null where there is none.
export function partingCredits(overview, comparison, n, scorer) {
  const t = comparison.steps[n];
  return [comparison.first[n], comparison.second[n]].map((e) => (
    t === null || t >= overview.length(e) || !overview.scorers.length ? null : overview.credit(scorer, e, t)));
}

// The numbers of the pairs that are listed. `range` is the least and the largest step of parting, null for no bound; a
// pair that never parts is listed where there is neither.
export function listedPairs(overview, comparison, { flip = "all", range = [null, null], order = "played", scorer = 0 }) {
  const [least, most] = range;
  const within = (t) => (t === null ? least === null && most === null : t >= (least ?? 0) && t <= (most ?? t));
  const found = [];
  comparison.first.forEach((_, n) => {
    if (FLIPS[flip].is(...outcomes(overview, comparison, n)) && within(comparison.steps[n])) found.push(n);
  });
  const by = {
    played: () => 0,
    parting: (n) => -(comparison.steps[n] ?? Infinity),
    credit(n) {
      const [one, other] = partingCredits(overview, comparison, n, scorer);
      return one === null || other === null ? -1 : Math.abs(one - other);
    },
  }[order];
  const ranks = new Map(found.map((n) => [n, by(n)]));
  return found.sort((a, b) => (ranks.get(b) > ranks.get(a)) - (ranks.get(b) < ranks.get(a)) || a - b);
}
