// Labels as they are given and seen: the buttons of a step, and the panel that says how far each judge agrees with them.

import { button, make, table } from "./dom.mjs";
import { agreements } from "./agreement.mjs";
import { MOST_NOTE } from "./labels.mjs";

export const LABELS = [[1, "good", "+"], [0, "neutral", "0"], [-1, "bad", "\u2212"]];
export const HUMAN = "human labels"; // as credit_gym/report/viewer/overview.py calls those that came with the episodes

const nameOf = (label) => LABELS.find(([value]) => value === label)?.[1];

// The buttons of a step. `own` is what was said of it here, null for nothing; `given` what came with the episodes.
export function drawLabel(t, own, given, { mark, note }) {
  const choices = LABELS.map(([value, name, sign]) => button(`${sign} ${name}`, () => mark(value), {
    className: `mark ${name}`, "aria-pressed": String(own?.label === value) }));
  const parts = [...choices];
  if (own === null) parts.push(button("note", () => note(null), { className: "mark" }));
  else {
    const field = make("input", { className: "note", placeholder: "note", "aria-label": `note on step ${t}`, maxlength: String(MOST_NOTE),
      on: { change: () => note(field.value) } });
    field.value = own.note;
    parts.push(field);
  }
  if (nameOf(given)) parts.push(make("span", { text: `came labelled ${nameOf(given)}` }));
  return make("div", { className: "labels", role: "group", "aria-label": `label of step ${t}` }, ...parts);
}

// What a column of labels says, as labels.mjs keeps it: episode -> step -> { label }.
export function saidBy(overview, values) {
  const said = new Map();
  let e = 0;
  for (let p = 0; p < values.length; p += 1) {
    if (values[p] !== null) {
      while (overview.begins[e + 1] <= p) e += 1;
      if (!said.has(e)) said.set(e, new Map());
      said.get(e).set(p - overview.begins[e], { label: values[p] });
    }
  }
  return said;
}

const share = (value) => (value === null ? "–" : `${(100 * value).toFixed(1)} %`);

// The panel; `own` are the labels given here, `judges` whoever can be compared with them.
export function drawPanel(overview, labels, judges, { undo, save, load }) {
  const given = overview.data.references[HUMAN];
  const said = labels.count() || !given ? labels.said : saidBy(overview, given);
  const counts = LABELS.map(([value, name]) => `${[...said.values()].reduce((sum, own) => (
    sum + [...own.values()].filter(({ label }) => label === value).length), 0)} ${name}`);
  const from = labels.count() || !given ? "given here" : "that came with the episodes";
  const rows = agreements(overview, said, judges.filter(({ name }) => labels.count() || name !== HUMAN));
  const file = make("input", { type: "file", accept: ".jsonl", hidden: "", on: { change: () => file.files.length && load(file.files[0]) } });
  const shown = rows.filter(({ steps }) => steps).map(({ name, step, first }) => [name.replaceAll("_", "_\u200b"), share(step), share(first)]);
  return [
    make("p", { text: said.size ? `Labels ${from}: ${counts.join(", ")}.` : "No step is labelled: + 0 \u2212 label the current one, e notes something." }),
    make("div", { className: "does" }, button("undo", undo), button("export", save), button("import", () => file.click()), file),
    ...(shown.length ? [table(["agrees", "steps", "first error"], shown)] : []),
  ];
}
