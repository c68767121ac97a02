// Links to a step: #run/episode/step, the step left out for the whole episode, and /tree after it where the tree of its
// group is open; and to a step of a pair of episodes:
// #compare/side/side/episode of the first/step.

const written = (parts) => `#${parts.map((part) => encodeURIComponent(part)).join("/")}`;
const partsOf = (hash) => hash.replace(/^#/, "").split("/").map(decodeURIComponent);
const number = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);

export function writeLink({ run, id, step = null, tree = false }) {
  return written([run, id, ...(tree ? [step ?? "", "tree"] : step === null ? [] : [step])]);
}

// What a link names; null where it is none.
export function readLink(hash) {
  try {
    const [run, id, step, word] = partsOf(hash);
    if (!run || id === undefined) return null;
    return { run, id, step: number(step), ...(word === "tree" ? { tree: true } : {}) };
  } catch {
    return null; // a stray percent sign
  }
}

export function writeComparison({ sides, id = null, step = null }) {
  return written(["compare", ...sides, ...(id === null ? [] : [id, ...(step === null ? [] : [step])])]);
}

// What a link to a comparison names; null where it is none.
export function readComparison(hash) {
  try {
    const [word, one, other, id, step] = partsOf(hash);
    if (word !== "compare") return null;
    return { sides: one && other ? [one, other] : [], id: id ?? null, step: number(step) };
  } catch {
    return null;
  }
}

// Shows a link in the address bar. A browser may refuse to where it is asked very often; the next one is shown then.
export function showLink(link) {
  try { history.replaceState(null, "", link); } catch { /* while a key is held down */ }
}
