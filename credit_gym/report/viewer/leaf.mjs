// Leaves: what a few episodes are made of, read when it is wanted.

const text = (leaf, number) => (number === undefined || number < 0 ? "" : leaf.texts[number]);
const list = (leaf, number) => (number === undefined || number < 0 ? [] : leaf.lists[number].map((n) => leaf.texts[n]));

// One step; `place` counts the steps of the leaf, `points` its points.
export function stepOf(leaf, place, point) {
  const at = (name) => leaf[name]?.[place];
  return {
    observation: leaf.texts[leaf.observations[point]],
    action: leaf.texts[leaf.actions[place]],
    reward: leaf.rewards[place],
    verifier: at("verifier") ?? null,
    advantage: at("advantages") ?? null,
    belief: leaf.belief?.[point + 1] ?? null,
    role: text(leaf, at("roles")),
    invalid: at("invalid") === 1,
    admissible: list(leaf, at("admissible")),
    expert: list(leaf, at("expert")),
    thought: text(leaf, at("thoughts")),
    reply: text(leaf, at("replies")),
    finish: text(leaf, at("finish")),
    decoding: text(leaf, at("decoding")),
    calls: list(leaf, at("calls")),
    more: leaf.more.filter(([, column]) => column[place] >= 0).map(([label, column]) => [label, leaf.texts[column[place]]]),
  };
}

// Where an episode lies: its leaf, and the first of its steps and of its points in it.
export function whereIs(overview, e) {
  const size = overview.data.leaf;
  const number = Math.floor(e / size);
  const steps = overview.begins[e] - overview.begins[number * size];
  return { number, steps, points: steps + (e - number * size) };
}

// The messages of a step's chat: those it goes on from, and its own.
export function chatOf(model, first, place) {
  let chat = [];
  for (let p = first; p <= place; p += 1) {
    const [kept, ...added] = model.chats[p];
    chat = [...chat.slice(0, kept), ...added];
  }
  return chat.map((number) => model.messages[number]);
}

// The steps of a leaf in whose texts something is said, by episode of the leaf; `steps` counts those of each episode.
export function matches(leaf, steps, wanted) {
  const said = leaf.texts.map((each) => each.toLowerCase().includes(wanted));
  const found = new Map();
  let [place, point] = [0, 0];
  const says = (number) => number >= 0 && said[number];
  steps.forEach((count, e) => {
    const hits = [];
    for (let t = 0; t < count; t += 1, place += 1, point += 1) {
      const spoken = [leaf.thoughts, leaf.replies].some((column) => column && says(column[place]));
      if (spoken || says(leaf.observations[point]) || says(leaf.actions[place])) hits.push(t);
    }
    if (hits.length || says(leaf.observations[point])) found.set(e, hits);
    point += 1;
  });
  return found;
}
