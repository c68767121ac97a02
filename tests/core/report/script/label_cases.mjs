// Works out what a page would of cases read from standard input, for tests/core/report/test_labels.py to compare.

import { readFileSync } from "node:fs";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const from = (name) => import(new URL(`${name}.mjs`, room));

const { agreement } = await from("agreement");
const { overviewOf } = await from("columns");
const { written } = await from("label_file");

// [episode, step, label or null, note] as labels.mjs keeps it.
function saidOf(rows) {
  const said = new Map();
  for (const [e, t, label, note] of rows) said.set(e, (said.get(e) ?? new Map()).set(t, { label, note }));
  return said;
}

const does = {
  agreement: ({ overview, said, values }) => agreement(overviewOf(overview), saidOf(said), (place) => values[place]),
  written: ({ overview, leaves, said }) => written(overviewOf(overview), { leaf: async (_, n) => leaves[n] }, saidOf(said)),
};
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(cases.map(({ asks, ...given }) => does[asks](given)))));
