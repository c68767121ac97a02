// What a person says of steps: 1 for good, 0 for neutral, -1 for bad, and a note. Remembered episode by episode, so that a
// label costs what its episode holds, however many others there are.

import { readLink, writeLink } from "./link.mjs";

export const MOST_NOTE = 2000; // characters
const PREFIX = "labels.";

// A label as it may be kept; null for what is none. A note may stand alone.
export function cleaned(given) {
  const label = [1, 0, -1].includes(given?.label) ? given.label : null;
  const note = typeof given?.note === "string" ? given.note.slice(0, MOST_NOTE) : "";
  return label === null && note.trim() === "" ? null : { label, note };
}

// What tells an episode from another one of its name.
const marksOf = (overview, e) => [overview.length(e), overview.text("task", e), overview.earned(e)];

// What was remembered of an episode, step -> label; nothing where that was another one.
function remembered(text, marks) {
  const found = new Map();
  const [length] = marks;
  try {
    const { of, said } = JSON.parse(text);
    for (const [t, label, note] of JSON.stringify(of) === JSON.stringify(marks) ? said : []) {
      const each = cleaned({ label, note });
      if (Number.isInteger(t) && t >= 0 && t < length && each) found.set(t, each);
    }
  } catch { /* what cannot be read says nothing */ }
  return found;
}

export function labelsOf(memory) {
  const owns = new Map(); // name of an episode -> step -> { label, note }
  const said = new Map(); // the same by the number that an episode has now
  const values = []; // one a step of all episodes, null where there is no label
  const past = []; // changes that can be taken back: what stood in each place before
  let [overview, count] = [null, 0];

  // Pages of a file all have one storage, and those of `report` one name for their run: its title is part of the name.
  const nameAt = (e) => PREFIX + writeLink({ run: JSON.stringify([overview.run(e).name, overview.run(e).title]), id: overview.text("id", e) });
  const numberOf = (name) => {
    try {
      const { run, id } = readLink(name.slice(PREFIX.length));
      const e = overview.find(JSON.parse(run)[0], id);
      return e !== undefined && nameAt(e) === name ? e : undefined;
    } catch {
      return undefined; // a name that was not made here
    }
  };
  const put = (e, t, given) => {
    const name = nameAt(e);
    const own = owns.get(name) ?? new Map();
    const before = own.get(t) ?? null;
    if (given === null) own.delete(t);
    else own.set(t, given);
    owns.set(name, own);
    if (own.size) said.set(e, own);
    else said.delete(e);
    count += (given !== null) - (before !== null);
    values[overview.begins[e] + t] = given?.label ?? null;
    return before;
  };
  const keep = (e) => {
    const own = said.get(e);
    const text = own ? JSON.stringify({ of: marksOf(overview, e), said: [...own].map(([t, { label, note }]) => [t, label, note]) }) : null;
    return memory.set(nameAt(e), text);
  };
  const change = (changes) => {
    const before = changes.map(([e, t, given]) => [nameAt(e), t, put(e, t, cleaned(given))]).reverse();
    return { before, kept: [...new Set(changes.map(([e]) => e))].map(keep).every(Boolean) };
  };
  const load = (name, e) => {
    for (const [t, each] of remembered(memory.get(name), marksOf(overview, e))) put(e, t, each);
  };

  return {
    values,
    said,
    count: () => count,
    at: (e, t) => said.get(e)?.get(t) ?? null,
    // Takes the episodes that there are now: what was said of them before stays said.
    place(shown) {
      overview = shown;
      count = 0;
      said.clear();
      values.length = overview.begins[overview.count];
      values.fill(null);
      const known = [...owns];
      owns.clear();
      for (const name of memory.names()) {
        const e = name.startsWith(PREFIX) ? numberOf(name) : undefined;
        if (e !== undefined) load(name, e);
      }
      for (const [name, own] of known) {
        const e = numberOf(name);
        if (e !== undefined) for (const [t, each] of own) put(e, t, each);
      }
    },
    // Another page of the same episodes has changed what is remembered under a name.
    reload(name) {
      const e = name?.startsWith(PREFIX) ? numberOf(name) : undefined;
      if (e === undefined) return false;
      for (const t of [...said.get(e)?.keys() ?? []]) put(e, t, null);
      load(name, e);
      return true;
    },
    // Says something of steps, [episode, step, { label, note } or null] each; returns whether it will be remembered.
    set(changes) {
      const { before, kept } = change(changes);
      if (before.length) past.push(before);
      return kept;
    },
    // Takes back the latest change; returns where that was and of how many steps, null where there is none.
    undo() {
      const found = (past.pop() ?? []).map(([name, t, given]) => [numberOf(name), t, given]).filter(([e]) => e !== undefined);
      if (!found.length) return null;
      change(found);
      return { e: found.at(-1)[0], t: found.at(-1)[1], steps: found.length };
    },
  };
}
