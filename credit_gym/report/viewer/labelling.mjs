// Labelling: what keys and buttons do with labels, and how they leave the page and come back.

import { make } from "./dom.mjs";
import { readLabels, written } from "./label_file.mjs";
import { HUMAN, drawLabel, drawPanel } from "./label_view.mjs";
import { labelsOf } from "./labels.mjs";
import { nameOf } from "./memory.mjs";

const OWN = "your labels";

const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

// `page` is what main.mjs has: state, view, source, memory, find, say, go, and `judged`, called when there is another judge.
export function labellingOf(page) {
  const { state, view, find, say } = page;
  const labels = labelsOf(page.memory);
  const own = { name: OWN, values: labels.values };

  // The labels are a judge as soon as there is one.
  function join() {
    const { measures } = state.overview;
    const [is, was] = [labels.count() > 0, measures.includes(own)];
    state.differing = null; // what was worked out with fewer labels
    if (is && !was) measures.push(own);
    if (!is && was) measures.splice(measures.indexOf(own), 1);
    return is !== was;
  }

  function panel() {
    const place = find("labels");
    place.firstElementChild.textContent = labels.count() ? `labels · ${labels.count()}` : "labels";
    if (place.open) place.lastElementChild.replaceChildren(...drawPanel(state.overview, labels, state.overview.measures.filter((each) => each !== own), { undo, save, load }));
  }

  function changed() {
    if (join()) page.judged();
    panel();
  }

  function bar(e, t, open = false) {
    return drawLabel(t, labels.at(e, t) ?? (open ? { label: null, note: "" } : null), state.overview.data.references[HUMAN]?.[state.overview.begins[e] + t], {
      mark: (label) => mark(e, t, label),
      note(text) {
        const said = labels.at(e, t);
        if (text === null) openNote(e, t);
        else if (text !== (said?.note ?? "")) tell(e, t, { label: said?.label ?? null, note: text }); // said once, as a field that is replaced says it again
      },
    });
  }

  const place = (t) => find("episode").querySelector(`.step[data-step="${t}"] .labels`);

  function redraw(e, t, made = bar(e, t)) {
    const old = e === view.episode ? place(t) : null;
    if (!old) return;
    const held = old.contains(document.activeElement) ? [...old.children].indexOf(document.activeElement) : -1;
    old.replaceWith(made);
    made.children[held]?.focus();
  }

  function tell(e, t, given) {
    if (!labels.set([[e, t, given]])) say("The browser remembers no more labels: export them.");
    redraw(e, t);
    changed();
  }

  // Says it, or no longer, where it was said already.
  function mark(e, t, label) {
    const before = labels.at(e, t);
    tell(e, t, { label: before?.label === label ? null : label, note: before?.note ?? "" });
  }

  function openNote(e, t) {
    redraw(e, t, bar(e, t, true));
    place(t)?.querySelector(".note").focus();
  }

  function undo() {
    const found = labels.undo();
    if (found === null) return say("There is no label to take back.");
    changed();
    say(`taken back: ${counted(found.steps, "label")}`);
    return page.go(found.e, found.t).then(() => page.redraw());
  }

  async function save() {
    if (!labels.count()) return say("No step is labelled here.");
    const lines = await written(state.overview, page.source, labels.said);
    const address = URL.createObjectURL(new Blob(lines.map((each) => `${each}\n`), { type: "application/jsonl" }));
    make("a", { href: address, download: "labels.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    return say(`${counted(labels.count(), "label")} of ${counted(lines.length, "episode")} in labels.jsonl`);
  }

  async function load(file) {
    const { changes, foreign, damaged } = readLabels(state.overview, await file.text());
    const kept = labels.set(changes);
    changed();
    await page.redraw();
    const rest = [[foreign, "is of no episode here", "are of no episode here"], [damaged, "cannot be read", "cannot be read"]]
      .filter(([n]) => n).map(([n, one, more]) => `; ${counted(n, "line")} ${n === 1 ? one : more}`);
    say(`${counted(changes.length, "label")} taken${rest.join("")}${kept ? "" : "; the browser remembers no more"}`);
  }

  const here = (does) => () => (view.step === null ? say("Go to a step first: n is the next one.") : does(view.episode, view.step));
  return {
    bar,
    panel,
    place() { labels.place(state.overview); join(); panel(); },
    heard({ key }) { // another page of these episodes has labelled one
      if (state.overview && labels.reload(nameOf(key))) { changed(); page.redraw(); }
    },
    keys: {
      good: here((e, t) => mark(e, t, 1)),
      neutral: here((e, t) => mark(e, t, 0)),
      bad: here((e, t) => mark(e, t, -1)),
      note: here(openNote),
      undoLabel: undo,
      labels() { find("labels").open = !find("labels").open; },
      exportLabels: save,
    },
  };
}
