// Where the page reads from: blocks inside it, or the server that it came from.

// The results of the latest calls, so that going back and forth costs nothing and memory has a bound.
export function remembered(load, most) {
  const kept = new Map();
  return (...names) => {
    const name = names.join("/");
    const found = kept.get(name) ?? load(...names);
    kept.delete(name);
    kept.set(name, found);
    found.catch?.(() => kept.delete(name)); // what failed once may be asked again
    if (kept.size > most) kept.delete(kept.keys().next().value);
    return found;
  };
}

const KEPT = 48;

export function fromBlocks(page) {
  const read = async (name) => JSON.parse(page.getElementById(name).textContent);
  return { overview: () => read("overview"), leaf: remembered((kind, n) => read(`${kind}-${n}`), KEPT), state: null };
}

export function fromServer(get) {
  const read = async (name) => {
    const answer = await get(name, { cache: "no-store" });
    if (!answer.ok) throw new Error(`The server answers ${answer.status} to ${name}.`);
    return answer.json();
  };
  let version = 0;
  const leaf = remembered((kind, n, of) => read(`leaves/${kind}/${n}.json?of=${of}`), KEPT);
  return {
    async overview() {
      const found = await read("overview.json");
      version = found.version;
      return found;
    },
    leaf: (kind, n) => leaf(kind, n, version),
    state: () => read("state.json"),
  };
}
