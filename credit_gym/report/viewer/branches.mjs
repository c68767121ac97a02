// The episodes of a group as a tree: they go together as long as the same was done at the same moments, then they part.
//
// A tree that was grown by going back to a decision says itself which moments are one; of other episodes those are one
// that are in the same state after the same states and actions.

// The tree that an episode belongs to. `key` is the number of the key that states are told apart by.
export function treeOf(overview, e, key) {
  const { episodes, parents, nodes, actions } = overview.data;
  const { begins } = overview;
  const replayed = (each) => parents.length > 0 && parents[begins[each]] !== null;
  const grown = replayed(e);
  const point = grown ? parents : nodes[key] ?? [];
  const usable = (each) => overview.length(each) > 0 && (grown ? replayed(each) : point[begins[each]] >= 0);
  const members = [];
  for (let each = 0; each < overview.count; each += 1) {
    if (episodes.group[each] === episodes.group[e] && episodes.run[each] === episodes.run[e] && usable(each)) members.push(each);
  }
  return {
    grown,
    members: members.includes(e) ? members : [],
    // what tells a play from the others at its moment: the action and the moment that it led to. The last play of an
    // episode of a grown tree is one of its own.
    play(each, t) {
      const place = begins[each] + t;
      if (t < 0) return point[begins[each]];
      const last = t + 1 === overview.length(each);
      return `${actions[place]} ${last ? (grown ? `end ${each}` : "end") : point[place + 1]}`;
    },
  };
}

// The plays at a moment that some episodes share, as lists of episodes, the most frequent first; episodes that ended
// there are in none. A step of -1 is the start, of which there may be several.
export function playsAt(overview, tree, members, t) {
  const found = new Map();
  for (const e of members) {
    if (t >= overview.length(e)) continue;
    const play = tree.play(e, t);
    if (!found.has(play)) found.set(play, []);
    found.get(play).push(e);
  }
  return [...found.values()].sort((a, b) => b.length - a.length || a[0] - b[0]);
}

// The step before which some episodes that played step t alike part or end.
export function togetherUntil(overview, tree, members, t) {
  let next = t + 1;
  if (members.length === 1) return overview.length(members[0]);
  while (members.every((e) => next < overview.length(e)) && playsAt(overview, tree, members, next).length === 1) next += 1;
  return next;
}

// What became of some episodes: how many, how many solved, their mean return, and the mean credit of a step of theirs.
export function worth(overview, members, t, scorer) {
  const { episodes } = overview.data;
  const credits = t < 0 || !overview.scorers.length ? [] : members.map((e) => overview.credit(scorer, e, t)).filter((value) => value !== null);
  const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);
  return {
    episodes: members.length,
    solved: members.filter((e) => episodes.outcome[e] === 0).length,
    earned: mean(members.map((e) => episodes.return[e] ?? 0)),
    credit: mean(credits),
  };
}
