// How often a judge of steps says what a person said, as credit_gym/metrics/step_labels.py counts it: a credit says its
// sign; step accuracy is over all labelled steps, first-error accuracy over episodes.

export const labelOf = (value) => Math.sign(value) + 0; // + 0, as -0 is no label

// `said` maps episodes to steps to { label }; `predict(place, e)` is what the judge says of a step, null for nothing, and
// steps of which either says nothing count nowhere. Shares are null where there is nothing to count.
export function agreement(overview, said, predict) {
  let [steps, met, episodes, firstMet] = [0, 0, 0, 0];
  for (const [e, own] of said) {
    let any = false;
    let [first, predictedFirst] = [Infinity, Infinity]; // steps at which the first error lies
    for (const [t, { label }] of own) {
      const value = predict(overview.begins[e] + t, e);
      if (label !== null && value !== null && value !== undefined) {
        const predicted = labelOf(value);
        any = true;
        steps += 1;
        if (predicted === label) met += 1;
        if (label === -1) first = Math.min(first, t);
        if (predicted === -1) predictedFirst = Math.min(predictedFirst, t);
      }
    }
    if (any) {
      episodes += 1;
      if (first === predictedFirst) firstMet += 1;
    }
  }
  return { steps, episodes, step: steps ? met / steps : null, first: episodes ? firstMet / episodes : null };
}

// One row for each judge, after the two that need none: every step good, and every step what its episode was.
export function agreements(overview, said, measures) {
  const solved = (_, e) => (overview.data.episodes.outcome[e] === 0 ? 1 : -1);
  const rows = [["every step good", () => 1], ["every step as the whole episode", solved],
    ...measures.map(({ name, values }) => [name, (place) => values[place]])];
  return rows.map(([name, predict]) => ({ name, ...agreement(overview, said, predict) }));
}
