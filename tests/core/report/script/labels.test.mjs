// Labels of steps, without a page: run by `node --test`, which tests/core/report/test_script.py calls.

import assert from "node:assert/strict";
import { test } from "node:test";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const from = (name) => import(new URL(`${name}.mjs`, room));

const { agreement, agreements } = await from("agreement");
const { overviewOf } = await from("columns");
const { line, readLabels } = await from("label_file");
const { saidBy } = await from("label_view");
const { MOST_NOTE, cleaned, labelsOf } = await from("labels");
const { memoryOf, nameOf } = await from("memory");

const shown = (ids, steps, title = "t", earned = 1) => overviewOf({
  leaf: 32, runs: [{ name: "run_a", title }], scorers: [], keys: [], texts: ids, credits: [], references: {}, nodes: [], actions: [], sides: [],
  episodes: { id: ids.map((_, i) => i), run: ids.map(() => 0), outcome: ids.map(() => 0), task: ids.map(() => 0), return: ids.map(() => earned), steps, error: ids.map(() => -1) } });

class Storage { // as a browser's
  kept = new Map();
  get length() { return this.kept.size; }
  key(i) { return [...this.kept.keys()][i] ?? null; }
  getItem(name) { return this.kept.get(name) ?? null; }
  setItem(name, value) { this.kept.set(name, String(value)); }
  removeItem(name) { this.kept.delete(name); }
}
const named = (id) => `labels.#${encodeURIComponent('["run_a","t"]')}/${id}`;
const placed = (overview, memory = memoryOf(() => new Storage())) => {
  const labels = labelsOf(memory);
  labels.place(overview);
  return labels;
};

test("what is said is remembered by episode and found again, whatever the ids hold", () => {
  const overview = shown(["a/b", "50 %", "\u2028<"], [2, 0, 1]);
  const storage = new Storage();
  const memory = memoryOf(() => storage);
  const labels = placed(overview, memory);
  assert.ok(labels.set([[0, 1, { label: -1, note: "why" }], [2, 0, { label: 0, note: "" }]]));
  assert.equal(storage.length, 2);
  const again = placed(overview, memory);
  assert.deepEqual(again.at(0, 1), { label: -1, note: "why" });
  assert.deepEqual(again.values, [null, -1, 0]);
  assert.equal(again.count(), 2);
  labels.set([[0, 1, null], [2, 0, null]]);
  assert.equal(storage.length, 0);
});

test("labels stay with their episodes when more come, though nothing can be remembered", () => {
  const labels = placed(shown(["a", "b"], [1, 2]), memoryOf(() => { throw new Error("refused"); }));
  assert.equal(labels.set([[1, 1, { label: 1, note: "" }]]), false);
  labels.place(shown(["new", "a", "b"], [3, 1, 2]));
  assert.deepEqual(labels.values, [null, null, null, null, null, 1]);
  assert.deepEqual(labels.undo(), { e: 2, t: 1, steps: 1 });
  assert.equal(labels.count(), 0);
});

test("an episode of the same name and another length, and what is damaged, say nothing", () => {
  const storage = new Storage();
  const memory = memoryOf(() => storage);
  const name = named("a");
  const of = '{"of":[2,"a",1],"said":';
  for (const text of ['{"of":[3,"a",1],"said":[[0,1,""]]}', "{", "null", "[]", `${of}5}`, `${of}[[2,1,""],[-1,1,""],[0.5,1,""],[0,2,""],null]}`]) {
    memory.set(name, text);
    assert.equal(placed(shown(["a"], [2]), memory).count(), 0, text);
  }
  memory.set(name, `${of}[[1,0,7]]}`);
  assert.deepEqual(placed(shown(["a"], [2]), memory).at(0, 1), { label: 0, note: "" });
  for (const other of [shown(["a"], [2], "another report"), shown(["a"], [2], "t", 0)]) assert.equal(placed(other, memory).count(), 0);
});

test("changes are taken back one by one, an import as one", () => {
  const labels = placed(shown(["a"], [3]));
  labels.set([[0, 0, { label: 1, note: "" }]]);
  labels.set([[0, 0, { label: -1, note: "no" }], [0, 2, { label: 0, note: "" }]]);
  assert.deepEqual(labels.undo(), { e: 0, t: 0, steps: 2 });
  assert.deepEqual(labels.values, [1, null, null]);
  assert.deepEqual(labels.undo(), { e: 0, t: 0, steps: 1 });
  assert.equal(labels.undo(), null);
  assert.deepEqual(labels.values, [null, null, null]);
});

test("another page's labels are heard of, and those of other episodes not", () => {
  const storage = new Storage();
  const overview = shown(["a"], [2]);
  const [one, other] = [placed(overview, memoryOf(() => storage)), placed(overview, memoryOf(() => storage))];
  one.set([[0, 1, { label: -1, note: "" }]]);
  assert.equal(other.reload(nameOf(storage.key(0))), true);
  assert.deepEqual(other.values, [null, -1]);
  for (const name of [named("b"), "labels.#x/y", "labels.", "theme", null]) assert.equal(other.reload(name), false);
  assert.equal(nameOf("somebody.else"), null);
});

test("a label is 1, 0 or -1, a note is a text of bounded length", () => {
  assert.equal(cleaned({ label: 2, note: " " }), null);
  assert.equal(cleaned(null), null);
  assert.deepEqual(cleaned({ label: null, note: "x" }), { label: null, note: "x" });
  assert.equal(cleaned({ label: 1, note: "x".repeat(1e5) }).note.length, MOST_NOTE);
});

test("agreement counts steps over all, first errors by episode, and nothing where either says nothing", () => {
  const overview = shown(["a", "b", "c"], [2, 2, 1]);
  const said = new Map([[0, new Map([[0, { label: 1 }], [1, { label: -1 }]])], [1, new Map([[1, { label: -1 }]])], [2, new Map([[0, { label: null }]])]]);
  const values = [0.5, -0.1, -3, 0, null];
  assert.deepEqual(agreement(overview, said, (p) => values[p]), { steps: 3, episodes: 2, step: 2 / 3, first: 1 / 2 });
  assert.deepEqual(agreement(overview, new Map(), () => 1), { steps: 0, episodes: 0, step: null, first: null });
  assert.deepEqual(agreements(overview, said, [{ name: "x", values }]).map(({ name }) => name), ["every step good", "every step as the whole episode", "x"]);
  assert.deepEqual([...saidBy(overview, [null, -1, null, null, 0])].map(([e, own]) => [e, [...own]]), [[0, [[1, { label: -1 }]]], [2, [[0, { label: 0 }]]]]);
});

test("a line is ASCII and means nothing in HTML", () => {
  const row = { note: "</script>\u2028\ud800 \u202e é & <!--" };
  assert.match(line(row), /^[ -~]+$/);
  assert.doesNotMatch(line(row), /[<>&]/);
  assert.deepEqual(JSON.parse(line(row)), row);
});

test("lines are matched by ids, and a line that labels what is no step takes none of its labels", () => {
  const overview = shown(["1", "2"], [1, 2]);
  const messages = (n) => Array.from({ length: 2 * n }, (_, i) => ({ role: i % 2 ? "assistant" : "user", content: "" }));
  const read = (...rows) => readLabels(overview, rows.map((row) => JSON.stringify(row)).join("\n"));
  assert.deepEqual(read({ total_index: 2, messages: messages(2), step_labels: { 1: "-1" }, notes: { 3: "n" } }).changes,
    [[1, 0, { label: -1 }], [1, 1, { note: "n" }]]);
  assert.equal(read({ total_index: "run_a/1", messages: messages(1), step_labels: [null, 1] }).changes.length, 1);
  assert.equal(read({ episode_id: "1", messages: messages(1), step_labels: [null, 1] }).changes.length, 1);
  assert.deepEqual(read({ total_index: 2, messages: messages(2), step_labels: { 1: 1, 2: 1 } }), { changes: [], foreign: 0, damaged: 1 });
  assert.deepEqual(read({ total_index: 2, messages: messages(1), step_labels: { 1: 1 } }), { changes: [], foreign: 1, damaged: 0 });
  assert.deepEqual(read(1, null, [], {}), { changes: [], foreign: 0, damaged: 4 });
});
