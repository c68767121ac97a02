// Links to a step: #run/episode/step, the step left out for the whole episode.

export function writeLink({ run, id, step = null }) {
  return `#${[run, id, ...(step === null ? [] : [step])].map((part) => encodeURIComponent(part)).join("/")}`;
}

// What a link names; null where it is none.
export function readLink(hash) {
  try {
    const [run, id, step] = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
    if (!run || id === undefined) return null;
    return { run, id, step: /^\d+$/.test(step ?? "") ? Number(step) : null };
  } catch {
    return null; // a stray percent sign
  }
}
