// The place that a person is at, kept while the episode is drawn anew from a store that grew: what was opened and unfolded,
// what was being written, and how far the page and the list were scrolled.

const outside = (node) => node.closest(".body") === null; // what is opened holds things of its own
const stepsOf = (place) => [...place.querySelectorAll(".step")];
const parts = (step, selector) => [...step.querySelectorAll(selector)].filter((node) => outside(node.matches("details") ? node.parentElement : node));
const TOUCHED = "button, input, summary";

// Call before; what it returns is called after, when the same steps are drawn.
export function keptPlace(place) {
  const held = document.activeElement;
  const caret = held?.selectionStart;
  if (place.contains(held) && held.classList.contains("note")) held.dispatchEvent(new Event("change")); // what is written by now
  const at = new Map(stepsOf(place).map((step) => [step.dataset.step, {
    open: parts(step, "details").flatMap((node, i) => (node.open ? [i] : [])),
    unfolded: parts(step, ".more").flatMap((node, i) => (node.previousElementSibling.classList.contains("long") ? [] : [i])),
    touched: step.contains(document.activeElement) ? parts(step, TOUCHED).indexOf(document.activeElement) : -1,
  }]));
  const seen = stepsOf(place).find((step) => step.getBoundingClientRect().bottom > 0);
  const top = seen?.getBoundingClientRect().top;
  return () => {
    for (const step of stepsOf(place)) {
      const was = at.get(step.dataset.step) ?? { open: [], unfolded: [], touched: -1 };
      const details = parts(step, "details");
      const more = parts(step, ".more");
      const touched = parts(step, TOUCHED)[was.touched];
      for (const i of was.open) if (details[i]) details[i].open = true;
      for (const i of was.unfolded) more[i]?.click();
      touched?.focus({ preventScroll: true });
      if (touched?.classList.contains("note")) touched.setSelectionRange(caret, caret);
      if (step.dataset.step === seen?.dataset.step) window.scrollBy({ top: step.getBoundingClientRect().top - top, behavior: "instant" });
    }
  };
}

// The same for a list of rows `row` pixels high: the first in sight stays where it is. `nameAt(i)` names the i-th, and
// `find(name)` is its number then.
export function keptRow(list, row, nameAt, find) {
  const first = Math.floor(list.scrollTop / row);
  const name = nameAt(first);
  const into = list.scrollTop - first * row;
  return () => {
    const now = name === undefined ? -1 : find(name);
    if (now >= 0) list.scrollTop = now * row + into;
  };
}
