// The keys, what they do, and the page that says so.

import { button, make } from "./dom.mjs";

export const SHORTCUTS = [
  ["j", "nextEpisode", "next episode"],
  ["k", "previousEpisode", "previous episode"],
  ["n", "nextStep", "next step"],
  ["p", "previousStep", "previous step"],
  ["l", "nextLarge", "next step of large credit"],
  ["h", "previousLarge", "previous step of large credit"],
  ["d", "nextDisagreement", "the step where the two judges differ most, then the next"],
  ["D", "previousDisagreement", "back to where they differ more"],
  ["s", "nextScorer", "tint by the next scorer"],
  ["a", "nextJudge", "compare it with the next judge"],
  ["w", "why", "why this number?"],
  ["m", "model", "what the model was asked and wrote"],
  ["c", "tokens", "colour tokens by the next of their numbers"],
  ["/", "search", "search"],
  ["f", "nextFilter", "all, solved or unsolved"],
  ["o", "nextOrder", "order the episodes by the next of its measures"],
  ["+", "good", "label the step good, or no longer"],
  ["0", "neutral", "label it neutral"],
  ["-", "bad", "label it bad"],
  ["e", "note", "note something on it"],
  ["u", "undoLabel", "take back the latest label"],
  ["b", "labels", "labels, and how far each judge agrees with them"],
  ["E", "exportLabels", "export the labels"],
  ["i", "nextRole", "show the next role alone, then all"],
  ["g", "histogram", "steps by credit"],
  ["v", "curves", "curves along the episode"],
  ["r", "tree", "the tree of its group"],
  ["x", "compare", "compare two sides on the same tasks and seeds, and back"],
  ["y", "copyLink", "copy a link to the step"],
  ["t", "theme", "light or dark"],
  ["Escape", "clear", "close this; clear the search"],
  ["?", "help", "these keys"],
];

const NAMES = new Map(SHORTCUTS.map(([key, does]) => [key, does]));

// What a key does where it was pressed; undefined for nothing.
export function meaning({ key, ctrlKey, metaKey, altKey, target }) {
  if (ctrlKey || metaKey || altKey) return undefined;
  const writes = /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName ?? "") && target.type !== "range";
  return writes && key !== "Escape" ? undefined : NAMES.get(key);
}

export function drawHelp(dialog) {
  const rows = SHORTCUTS.map(([key, , says]) => make("div", {}, make("dt", {}, make("kbd", { text: key })), make("dd", { text: says })));
  dialog.replaceChildren(make("h2", { text: "Keys" }), make("dl", {}, ...rows), button("close", () => dialog.close()));
}
