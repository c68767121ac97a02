// What the page's script works out, without a page: run by `node --test`, which tests/core/report/test_script.py calls.

import assert from "node:assert/strict";
import { test } from "node:test";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const from = (name) => import(new URL(`${name}.mjs`, room));

const { inverse, overviewOf, sameName } = await from("columns");
const { byLargest, disagreement, rankShares } = await from("disagreement");
const { partOf } = await from("episode_view");
const { binned, holds } = await from("histogram");
const { chatOf, matches, stepOf, whereIs } = await from("leaf");
const { readLink, showLink, writeLink } = await from("link");
const { tokenNumbers } = await from("model_view");
const { SHORTCUTS, meaning } = await from("shortcuts");
const { largestOf, listed, named } = await from("sift");
const { fromServer, remembered } = await from("source");
const { stacked } = await from("stacking");
const { credit, strip, ticks, tint } = await from("tint");
const { inSight } = await from("virtual_list");
const { byAction } = await from("why_view");

// Three episodes of 2, 0 and 1 steps; steps 0 and 2 share a state, and their actions differ.
const overview = overviewOf({
  leaf: 2,
  runs: [{ name: "run_a", title: "a" }],
  sides: [{ run: 0, name: "run_a", agent: "maze", episodes: 3 }],
  scorers: [{ name: "one", key: 0 }, { name: "other", key: 0 }],
  keys: ["state"],
  texts: ["e0", "e1", "e2", "maze", "find the KEY"],
  episodes: { id: [0, 1, 2], environment: [3, 3, 3], task: [3, 3, 3], group: [3, 3, 3], agent: [3, 3, 3], goal: [4, 4, 3],
    run: [0, 0, 0], outcome: [0, 3, 1], return: [1, 0, 0], error: [-1, 3, -1], steps: [2, 0, 1] },
  credits: [[0.5, -1, 0.25], [-0.5, null, 1]],
  references: { expert: [1, null, -1] },
  parents: [],
  nodes: [[0, 1, 0]],
  actions: [0, 0, 1],
});
const leaf = {
  texts: ["Room one", "go", "Room two", "end"],
  lists: [[1]],
  more: [["value", [-1, 3]]],
  observations: [0, 2, 3, 3],
  actions: [1, 1],
  rewards: [0, 1],
  thoughts: [-1, 0],
  admissible: [0, -1],
  invalid: [1, -1],
};

test("a step's place tells its episode, and an episode's link the episode", () => {
  assert.deepEqual([0, 1, 2].map(overview.ownerOf), [0, 0, 2]);
  assert.equal(overview.find("run_a", "e2"), 2);
  assert.equal(overview.find("run_b", "e2"), undefined);
  assert.deepEqual(overview.measures.map(({ name }) => name), ["one", "other", "expert"]);
});

test("steps keep company if they share a state", () => {
  assert.deepEqual([...overview.companyOf(0, 2)], [0, 2]);
  assert.deepEqual([...inverse([2, -1, 0, 2]).of(2)], [0, 3]);
  assert.deepEqual([...inverse([2, -1, 0, 2]).of(-1)], []);
});

test("visits are counted by action, with who was solved and what it was worth", () => {
  const rows = byAction(overview, overview.companyOf(0, 0), 0);
  assert.deepEqual(rows.map(({ action, visits, episodes, solved, mean, credit: own }) => [action, visits, episodes, solved, mean, own]),
    [[0, 1, 1, 1, 1, 0.5], [1, 1, 1, 0, 0, 0.25]]);
});

test("a step is read from its leaf, and what was not recorded is empty", () => {
  const [first, second] = [stepOf(leaf, 0, 0), stepOf(leaf, 1, 1)];
  assert.deepEqual([first.observation, first.action, first.admissible, first.invalid, first.more], ["Room one", "go", ["go"], true, []]);
  assert.deepEqual([second.observation, second.thought, second.verifier, second.more], ["Room two", "Room one", null, [["value", "end"]]]);
  assert.deepEqual(whereIs(overview, 1), { number: 0, steps: 2, points: 3 });
  assert.deepEqual(whereIs(overview, 2), { number: 1, steps: 0, points: 0 });
});

test("a search finds what was seen, done and thought, and the end of an episode", () => {
  assert.deepEqual([...matches(leaf, [2, 0], "room one")], [[0, [0, 1]]]);
  assert.deepEqual([...matches(leaf, [2, 0], "end")], [[0, []], [1, []]]);
  assert.equal(matches(leaf, [2, 0], "nowhere").size, 0);
  assert.deepEqual([0, 1, 2].map(named(overview, "key")), [true, true, false]);
});

test("a chat goes on from the chat before it", () => {
  const model = { messages: ["a", "b", "c"], chats: [[0, 0], [1, 1, 2], [0, 2]] };
  assert.deepEqual([0, 1, 2].map((place) => chatOf(model, 0, place)), [["a"], ["a", "b", "c"], ["c"]]);
});

test("episodes are listed by outcome, hits, a range of credit and a rank", () => {
  const values = overview.data.credits[0];
  assert.deepEqual(listed(overview, {}), [0, 1, 2]);
  assert.deepEqual(listed(overview, { filter: "unsolved" }), [1, 2]);
  assert.deepEqual(listed(overview, { hits: new Map([[2, []]]) }), [2]);
  assert.deepEqual(listed(overview, { range: { from: 0.2, to: 0.3, last: true }, values }), [2]);
  assert.deepEqual(listed(overview, { rank: largestOf(overview, [0, 0, 1]) }), [2, 0, 1]);
});

test("two judges differ by the share of steps below, and by 1 more where their signs are opposite", () => {
  assert.deepEqual([...rankShares([3, null, 1, 3])], [2 / 3, NaN, 0.5 / 3, 2 / 3]);
  const found = disagreement([0.5, -1, 0.25], [-0.5, null, 1]);
  assert.ok(Math.abs(found[0] - (2.5 / 3 - 0.5 / 2 + 1)) < 1e-12);
  assert.ok(Number.isNaN(found[1]));
  assert.deepEqual(byLargest(found), [0, 2]);
});

test("a judge agrees with itself everywhere", () => {
  assert.deepEqual(byLargest(disagreement([1, -2, 0], [1, -2, 0])), []);
});

test("every value is in one bar, and 0 in the middle one", () => {
  const bars = binned([-1, -0.01, 0, 0.01, 1, null], 5);
  assert.deepEqual(bars.map(({ count }) => count), [1, 0, 3, 0, 1]);
  assert.equal(bars[2].from, -bars[2].to);
  assert.equal(binned([0, 0], 5)[2].count, 2);
});

test("a bar lists as many values as it counts, however large, small or awkward they are", () => {
  const columns = [[-0.0345703, -1.57237, -0.185898, 42.9326, 1.46688], [1.7e308, -1e308, 0], [5e-324, null], [21, 1, -1, 3], [0, 0]];
  for (const values of columns) {
    const bars = binned(values);
    for (const bar of bars) assert.equal(values.filter((value) => holds(bar, value)).length, bar.count);
    assert.equal(bars.reduce((sum, { count }) => sum + count, 0), values.filter((value) => value !== null).length);
  }
});

test("signs are opposite however small the credits are", () => {
  assert.equal(disagreement([1e-200, 0], [-1e-200, 0])[0], 1.5);
});

test("credits stand beside the text of a step while that has room", () => {
  assert.deepEqual([[358, 1], [890, 6], [920, 12], [1600, 12]].map(([width, scorers]) => stacked(width, scorers)), [true, false, true, false]);
});

test("a link names what it was made from, whatever its names hold", () => {
  for (const id of ["0-1", "a/b", "50 %", "\u6f22 #?"]) {
    for (const step of [null, 0, 7]) assert.deepEqual(readLink(writeLink({ run: "run_a", id, step })), { run: "run_a", id, step });
  }
  for (const none of ["", "#", "#x", "#%/%"]) assert.equal(readLink(none), null);
});

test("what is in sight does not grow with the list", () => {
  assert.deepEqual(inSight(0, 500, 50, 3), [0, 3]);
  const [first, last] = inSight(5e5, 500, 50, 1e6);
  assert.ok(first <= 1e4 && last >= 1e4 + 10 && last - first < 30);
  assert.deepEqual(partOf(250, 249), [200, 250]);
  assert.deepEqual(partOf(0, 0), [0, 0]);
});

test("the latest are remembered, and no more", () => {
  let loads = 0;
  const load = remembered((name) => { loads += 1; return name; }, 2);
  ["a", "b", "a", "c", "a", "b"].forEach((name) => load(name));
  assert.equal(loads, 4);
});

test("leaves of an older overview are not taken for those of a newer one", async () => {
  const asked = [];
  let version = 1;
  const get = async (name) => { asked.push(name); return { ok: true, json: async () => ({ version }) }; };
  const source = fromServer(get);
  await source.overview();
  await source.leaf("steps", 0);
  version = 2;
  await source.overview();
  await source.leaf("steps", 0);
  assert.deepEqual(asked.filter((name) => name.startsWith("leaves")), ["leaves/steps/0.json?of=1", "leaves/steps/0.json?of=2"]);
  await assert.rejects(fromServer(async () => ({ ok: false, status: 403 })).state(), /403/);
});

test("a token has the number that it is tinted by, or none", () => {
  const model = { tokens: [[7, 8]], policy_logprobs: [[-1, -2]], reference_logprobs: [[-0.5, null]] };
  assert.deepEqual(tokenNumbers(model, 0, "policy_logprobs", 1), [-1, -2]);
  assert.deepEqual(tokenNumbers(model, 0, "difference", 1), [-0.5, null]);
  assert.equal(tokenNumbers(model, 0, "policy_entropies", 1), null);
  assert.deepEqual(tokenNumbers(model, 0, "credit", 0.5), [0.5, 0.5]);
});

test("a key means one thing, and nothing where somebody writes", () => {
  const names = SHORTCUTS.map(([key]) => key);
  assert.equal(new Set(names).size, names.length);
  assert.equal(meaning({ key: "j", target: { tagName: "BODY" } }), "nextEpisode");
  assert.equal(meaning({ key: "j", target: { tagName: "INPUT" } }), undefined);
  assert.equal(meaning({ key: "Escape", target: { tagName: "INPUT" } }), "clear");
  assert.equal(meaning({ key: "j", ctrlKey: true }), undefined);
});

test("numbers are short and signed, colours grow with them", () => {
  assert.deepEqual([null, 0, 0.5, -0.0001, 12345].map(credit), ["–", "0", "+0.500", "\u22121.0e-4", "+1.2e+4"]);
  assert.equal(tint(0, 1), "");
  assert.match(tint(-1, 1), /minus.*0\.600/);
  assert.deepEqual(ticks([0.1, -3, 2, null], 0, 4, 2), [-3, 2]);
  assert.equal(strip([], 0, 0, 1), "");
});

test("what was chosen is found by its name in a list that grew in front of it", () => {
  const [grpo, crbc] = [{ name: "grpo" }, { name: "crbc" }];
  assert.equal(sameName([crbc, grpo], grpo, 0), 1);
  assert.equal(sameName([crbc], grpo, 3), 0);
  assert.equal(sameName([], grpo, 3), 0);
  assert.equal(sameName([crbc, grpo], undefined, 0), 0);
});

test("a browser that refuses to show a link is not in the way", () => {
  globalThis.history = { replaceState() { throw new Error("too often"); } };
  showLink("#run/1");
  delete globalThis.history;
});
