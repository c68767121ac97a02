// Roles of a team, without a page: run by `node --test`, which tests/core/report/test_script.py calls.

import assert from "node:assert/strict";
import { test } from "node:test";

const room = new URL("../../../../credit_gym/report/viewer/", import.meta.url);
const { nextRole, nextStep, numberOf, rolesOf, sums } = await import(new URL("roles.mjs", room));

const roles = rolesOf({ texts: ["e0", "actor", "reasoner"], roles: [2, 1, -1, 2, 2] });

test("roles are numbered as they first act, and where nobody has one there are none", () => {
  assert.deepEqual(roles, { names: ["reasoner", "actor"], of: [0, 1, -1, 0, 0] });
  assert.equal(rolesOf({ texts: [], roles: [] }), null);
  assert.equal(rolesOf({ texts: [] }), null);
});

test("credits are summed over a role's steps, and what was not scored is no credit of 0", () => {
  assert.deepEqual(sums(roles, [[1, -0.5, 9, 0.25, null], [null, 2, 9, null, null]], 0, 5),
    [{ role: 0, steps: 3, credits: [1.25, null] }, { role: 1, steps: 1, credits: [-0.5, 2] }]);
  assert.deepEqual(sums(roles, [], 2, 3), []);
});

test("steps go by role where one is shown alone", () => {
  const places = [0, 1, 2, 3].map((t) => nextStep(roles, 0, 1, 4, t, 1));
  assert.deepEqual(places, [2, 2, 3, null]);
  assert.equal(nextStep(roles, 0, 0, 5, -1, 1), 0);
  assert.equal(nextStep(roles, 1, 0, 5, 5, -1), 1);
  assert.deepEqual([nextStep(null, null, 0, 2, 0, 1), nextStep(null, null, 0, 2, 1, 1)], [1, null]);
});

test("a sum of credits that are known to six digits is 0 where these leave it open", () => {
  assert.deepEqual(sums(rolesOf({ texts: ["x"], roles: [0, 0, 0] }), [[0.333333, 0.333333, -0.666667]], 0, 3)[0].credits, [0]);
  assert.deepEqual(sums(rolesOf({ texts: ["x"], roles: [0, 0] }), [[1e-9, 1e-9]], 0, 2)[0].credits, [2e-9]);
});

test("roles follow each other within an episode, and end in none", () => {
  assert.deepEqual([null, 0, 1].map((role) => nextRole(roles, 0, 5, role)), [0, 1, null]);
  assert.equal(nextRole(roles, 2, 3, null), null);
  assert.equal(nextRole(null, 0, 1, null), null);
  assert.deepEqual(["actor", "nobody", undefined].map((name) => numberOf(roles, name)), [1, null, null]);
  assert.equal(numberOf(null, "actor"), null);
});
