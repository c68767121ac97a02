// Which pairs are listed and what a link to one says: run by `node --test`, which tests/core/report/test_script.py calls.

import assert from "node:assert/strict";
import { test } from "node:test";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const from = (name) => import(new URL(`${name}.mjs`, room));

const { overviewOf } = await from("columns");
const { readComparison, readLink, writeComparison } = await from("link");
const { combinations, counted, listedPairs, partingCredits, sidesPlayed } = await from("pairs");
const { parting } = await from("pair_view");

// Two sides of three episodes of 2 steps; solved: both, the first alone, the second alone.
const six = (value) => Array(6).fill(value);
const overview = overviewOf({
  leaf: 32,
  runs: [{ name: "run_a", title: "a" }, { name: "run_b", title: "b" }],
  sides: [{ run: 0, name: "run_a", agent: "x", episodes: 3 }, { run: 1, name: "run_b", agent: "y", episodes: 3 }],
  scorers: [{ name: "one", key: 0 }],
  keys: ["state"],
  texts: ["0", "1", "2", "maze"],
  episodes: { id: [0, 1, 2, 0, 1, 2], environment: six(3), task: six(3), group: six(3), agent: six(3), goal: six(3),
    run: [0, 0, 0, 1, 1, 1], outcome: [0, 0, 1, 0, 2, 0], return: [1, 1, 0, 1, 0, 1], error: six(-1), steps: six(2) },
  credits: [[0, 0.5, 1, 0, 0, null, 0, -0.5, 0.5, 0, 3, 0]],
  references: {},
  parents: [],
  nodes: [Array(12).fill(0)],
  actions: Array(12).fill(0),
});
const comparison = { first: [0, 1, 2], second: [3, 4, 5], seeds: ["1", null, "3"], repetition: [0, 0, 0], steps: [null, 0, 1], by: [null, 1, 0] };

test("every two sides are compared once, in the order of Python's combinations", () => {
  assert.deepEqual(combinations(3), [[0, 1], [0, 2], [1, 2]]);
  assert.deepEqual(combinations(1), []);
});

test("a side is an agent of a run", () => {
  assert.equal(sidesPlayed({ episodes: { run: [0, 0, 0, 1], agent: [3, 3, 4, 3] } }), 3);
});

test("a filter lists the pairs of which became what it says", () => {
  const listed = (flip) => listedPairs(overview, comparison, { flip });
  assert.deepEqual(["all", "✓ → ✗", "✗ → ✓", "both", "neither"].map(listed), [[0, 1, 2], [1], [2], [0], []]);
  assert.deepEqual(counted(overview, comparison), { all: 3, "✓ → ✗": 1, "✗ → ✓": 1, both: 1, neither: 0 });
});

test("a range of steps lists the pairs that part within it, and one that never parts only without a range", () => {
  const listed = (range) => listedPairs(overview, comparison, { range });
  assert.deepEqual([[null, null], [0, null], [null, 0], [1, 1], [2, 9]].map(listed), [[0, 1, 2], [1, 2], [1], [2], []]);
});

test("pairs are ordered by where they part, or by how far apart the credits of that step are", () => {
  assert.deepEqual(listedPairs(overview, comparison, { order: "parting" }), [1, 2, 0]);
  assert.deepEqual(listedPairs(overview, comparison, { order: "credit" }), [1, 0, 2]);
  assert.deepEqual(partingCredits(overview, comparison, 1, 0), [1, 0.5]);
  assert.deepEqual(partingCredits(overview, comparison, 2, 0), [null, 0]);
  assert.deepEqual(partingCredits(overview, { ...comparison, steps: [2, 0, 1] }, 0, 0), [null, null]); // both had ended
});

test("where a pair parts is said in words", () => {
  assert.equal(parting(comparison, 0), "The two are alike to the end.");
  assert.equal(parting(comparison, 1), "They part at step 0: what they did differs.");
});

test("links to a pair are read as they were written, whatever the names hold", () => {
  for (const names of [["run_a", "run_b"], ["a/b#%", "é\u2028 <x>"]]) {
    for (const rest of [{ id: null, step: null }, { id: "7-0", step: null }, { id: "a/0", step: 3 }]) {
      assert.deepEqual(readComparison(writeComparison({ sides: names, ...rest })), { sides: names, ...rest });
    }
  }
  assert.deepEqual(readComparison("#compare"), { sides: [], id: null, step: null });
  for (const other of ["", "#run_a/0", "#compare%", "#%"]) assert.equal(readComparison(other), null);
  assert.deepEqual(readLink("#compare/9/2"), { run: "compare", id: "9", step: 2 }); // a run may be called so
});
