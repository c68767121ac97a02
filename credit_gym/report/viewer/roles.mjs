// Roles of a team: who acted at which step, and what each scorer gave them in sum.

const LEFT_OPEN = 5e-6; // of a number with six digits

// Names of the roles in the order in which they first act, and of each step which one acted, -1 for none; null where no
// episode has roles.
export function rolesOf(data) {
  if (!data.roles?.length) return null;
  const numbers = new Map(); // number of a text -> number of its role
  const of = data.roles.map((text) => {
    if (text < 0) return -1;
    if (!numbers.has(text)) numbers.set(text, numbers.size);
    return numbers.get(text);
  });
  return { names: [...numbers.keys()].map((text) => data.texts[text]), of };
}

// One row for each role that acts among some steps, the places [begin, end): its number, how many steps, and of each
// column of credits the sum, null where it has none of these steps. Credits have six digits here: a sum that is smaller
// than what these leave open is 0.
export function sums(roles, credits, begin, end) {
  const found = new Map();
  for (let p = begin; p < end; p += 1) {
    const role = roles.of[p];
    if (role >= 0) {
      if (!found.has(role)) found.set(role, { role, steps: 0, credits: credits.map(() => null), sizes: credits.map(() => 0) });
      const row = found.get(role);
      row.steps += 1;
      credits.forEach((values, s) => {
        if (values[p] === null || values[p] === undefined) return;
        row.credits[s] = (row.credits[s] ?? 0) + values[p];
        row.sizes[s] += Math.abs(values[p]);
      });
    }
  }
  const known = (sum, size) => (sum !== null && Math.abs(sum) <= LEFT_OPEN * size ? 0 : sum);
  return [...found.values()].sort((a, b) => a.role - b.role)
    .map(({ sizes, ...row }) => ({ ...row, credits: row.credits.map((sum, s) => known(sum, sizes[s])) }));
}

// The next step of a role, from step `t` on by `by`; null where there is none. Without a role any step will do.
export function nextStep(roles, role, begin, length, t, by) {
  for (let next = t + by; next >= 0 && next < length; next += by) {
    if (role === null || roles?.of[begin + next] === role) return next;
  }
  return null;
}

// The role after one among those that act in [begin, end); null after the last, and before the first.
export function nextRole(roles, begin, end, role) {
  const next = (roles?.of.slice(begin, end) ?? []).reduce((least, each) => (each > (role ?? -1) ? Math.min(least, each) : least), Infinity);
  return next === Infinity ? null : next;
}

// The number of a role by its name; null for none.
export function numberOf(roles, name) {
  const number = roles?.names.indexOf(name) ?? -1;
  return number < 0 ? null : number;
}
