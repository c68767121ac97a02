// Where two judges of the steps differ most: in the sign, and in where among all steps they put one.

// Share of the steps that a judge puts below each, ties sharing the mean of theirs; NaN where it says nothing.
export function rankShares(values) {
  const known = [];
  values.forEach((value, place) => { if (value !== null) known.push(place); });
  known.sort((a, b) => values[a] - values[b]);
  const shares = new Float64Array(values.length).fill(NaN);
  for (let first = 0; first < known.length;) {
    let last = first;
    while (last + 1 < known.length && values[known[last + 1]] === values[known[first]]) last += 1;
    for (let i = first; i <= last; i += 1) shares[known[i]] = (first + last + 1) / 2 / known.length;
    first = last + 1;
  }
  return shares;
}

// In [0, 2] for each step: the difference of the shares, and 1 more where the signs are opposite; NaN where either judge
// says nothing.
export function disagreement(one, other) {
  const [a, b] = [rankShares(one), rankShares(other)];
  return a.map((share, place) => Math.abs(share - b[place]) + (Math.sign(one[place]) * Math.sign(other[place]) < 0 ? 1 : 0));
}

// The places of the steps, those of the largest measure first; none where it is 0 or unknown.
export function byLargest(measure) {
  const places = [];
  measure.forEach((value, place) => { if (value > 0) places.push(place); });
  return places.sort((a, b) => measure[b] - measure[a] || a - b);
}
