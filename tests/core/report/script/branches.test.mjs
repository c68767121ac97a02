// Curves along an episode and the tree of its group: run by `node --test`, which tests/core/report/test_script.py calls.

import assert from "node:assert/strict";
import { test } from "node:test";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const from = (name) => import(new URL(`${name}.mjs`, room));

const { playsAt, togetherUntil, treeOf, worth } = await from("branches");
const { overviewOf } = await from("columns");
const { curvesOf, described, pathOf, rangeOf, summed } = await from("curves");
const { stepOf } = await from("leaf");
const { readLink, writeLink } = await from("link");
const { meaning } = await from("shortcuts");

// Episodes of one group, each a list of [state, action] a step; the last of another group.
function group(walks, { parents = [], outcomes = walks.map(() => 0) } = {}) {
  const same = (value) => walks.map(() => value);
  const flat = walks.flat();
  return overviewOf({
    leaf: 32,
    runs: [{ name: "run_a", title: "a" }],
    sides: [],
    scorers: [{ name: "one", key: 0 }],
    keys: ["state"],
    texts: ["x", "other"],
    episodes: { id: same(0), environment: same(0), task: same(0), group: walks.map((_, e) => (e === walks.length - 1 ? 1 : 0)), agent: same(0),
      goal: same(0), run: same(0), outcome: outcomes, return: outcomes.map((outcome) => Number(outcome === 0)), error: same(-1), steps: walks.map((walk) => walk.length) },
    credits: [flat.map((_, place) => place)],
    references: {},
    parents,
    nodes: [flat.map(([state]) => state)],
    actions: flat.map(([, action]) => action),
  });
}

// They part at step 1 by the action, and at step 2 by where the same action led.
const pooled = group([
  [[0, 0], [1, 0], [2, 0], [3, 0]],
  [[0, 0], [1, 0], [2, 0], [3, 0]],
  [[0, 0], [1, 0], [2, 0], [4, 0]],
  [[0, 0], [1, 5]],
  [[0, 0], [1, 0]],
], { outcomes: [0, 1, 0, 1, 0] });

test("episodes that did the same in the same states go together until they part or end", () => {
  const tree = treeOf(pooled, 0, 0);
  assert.deepEqual([tree.grown, tree.members], [false, [0, 1, 2, 3]]); // the last is of another group
  const at = (members, t) => playsAt(pooled, tree, members, t);
  assert.deepEqual(at(tree.members, -1), [[0, 1, 2, 3]]);
  assert.deepEqual(at(tree.members, 0), [[0, 1, 2, 3]]);
  assert.equal(togetherUntil(pooled, tree, [0, 1, 2, 3], 0), 1);
  assert.deepEqual(at([0, 1, 2, 3], 1), [[0, 1, 2], [3]]);
  assert.equal(togetherUntil(pooled, tree, [0, 1, 2], 1), 2);
  assert.deepEqual(at([0, 1, 2], 2), [[0, 1], [2]]);
  assert.equal(togetherUntil(pooled, tree, [0, 1], 2), 4); // to the end of both
  assert.equal(togetherUntil(pooled, tree, [3], 1), 2);
  assert.deepEqual(at([3], 2), []);
});

test("a branch says what became of its episodes and the mean credit of its first step", () => {
  assert.deepEqual(worth(pooled, [0, 1, 2], 1, 0), { episodes: 3, solved: 2, earned: 2 / 3, credit: (1 + 5 + 9) / 3 });
  assert.deepEqual(worth(pooled, [3], -1, 0), { episodes: 1, solved: 0, earned: 0, credit: null });
});

test("starts in several states are several branches, and who was not scored is in none", () => {
  const found = group([[[0, 0]], [[7, 0]], [[-1, 0]], [[0, 0]]]);
  const tree = treeOf(found, 0, 0);
  assert.deepEqual(playsAt(found, tree, tree.members, -1), [[0], [1]]);
  assert.deepEqual(treeOf(found, 2, 0).members, []);
});

test("a grown tree says itself which plays are one: equal actions are not merged, nor are last plays", () => {
  const found = group([[[0, 0], [1, 0]], [[0, 0], [1, 0]], [[0, 0], [1, 0]], [[0, 0]], [[0, 0]]], { parents: [9, 0, 9, 0, 9, 1, 9, null] });
  const tree = treeOf(found, 0, 0);
  assert.deepEqual([tree.grown, tree.members], [true, [0, 1, 2, 3]]);
  assert.deepEqual(playsAt(found, tree, tree.members, 0), [[0, 1], [2], [3]]);
  assert.deepEqual(playsAt(found, tree, [0, 1], 1), [[0], [1]]);
});

test("what is summed has a gap where nothing is known, and goes on behind it", () => {
  assert.deepEqual(summed([1, null, -3]), [0, 1, null, -2]);
  assert.deepEqual(summed([]), [0]);
});

test("a curve is broken at a gap, and a value between two gaps is a dot", () => {
  assert.equal(pathOf([0, 1, null, 1, null, 0, 1], [0, 1]), "M0 92.00L1 8.00M3 8.00h0M5 92.00L6 8.00");
  assert.equal(pathOf([2, 2], [2, 2]), "M0 50.00L1 50.00");
  assert.equal(pathOf([null], [0, 1]), "");
  assert.deepEqual(rangeOf(Array.from({ length: 3e5 }, (_, i) => i - 5)), [-5, 299994]);
});

test("a curve is there where something was recorded, of the episode and nobody else", () => {
  const leaf = {
    texts: ["x"], lists: [], more: [], observations: [0, 0, 0, 0, 0], actions: [0, 0, 0], rewards: [0, 0, 0],
    belief: [0.9, 0.9, 0.1, null, 0.5], values: [1, 1, null, null, null], verifier: [7, null, 0.5],
  };
  const found = curvesOf(leaf, { steps: 1, points: 2 }, 2, [0.25, 0.25], "one");
  assert.deepEqual(found, [
    { name: "belief", values: [0.1, null, 0.5] },
    { name: "verifier, summed", values: [0, null, 0.5] },
    { name: "one, summed", values: [0, 0.25, 0.5] },
  ]);
  assert.equal(described(found[0]), "belief: from 0.1 to 0.5, least 0.1 after 0 steps, most 0.5 after 2, not known at 1 of 3 points");
  assert.equal(stepOf(leaf, 2, 3).belief, 0.5); // of a step the belief after it
  assert.equal(stepOf(leaf, 1, 2).belief, null);
});

test("a link says whether the tree is open, and a slider leaves keys their meaning", () => {
  for (const step of [null, 3]) assert.deepEqual(readLink(writeLink({ run: "a", id: "b/", step, tree: true })), { run: "a", id: "b/", step, tree: true });
  assert.equal(meaning({ key: "j", target: { tagName: "INPUT", type: "range" } }), "nextEpisode");
  assert.equal(meaning({ key: "j", target: { tagName: "INPUT", type: "number" } }), undefined);
});
