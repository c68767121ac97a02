// Labels as a file: JSON lines in the form of AgentProcessBench, a chat each with `step_labels` (message index -> label),
// which credit_gym/formats/agent_process_bench.py reads. `notes` stand beside them in the same way.

import { stepOf, whereIs } from "./leaf.mjs";
import { cleaned } from "./labels.mjs";

const FINAL = [1, -1, 0, 0]; // solved, failed, cut off, did not complete

// JSON in ASCII without a character that means something in HTML.
export const line = (row) => JSON.stringify(row).replace(/[<>&\u007f-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);

function chat(overview, leaf, e) {
  const where = whereIs(overview, e);
  const goal = overview.text("goal", e);
  const messages = goal ? [{ role: "system", content: goal }] : [];
  const places = [];
  for (let t = 0; t < overview.length(e); t += 1) {
    const { observation, action } = stepOf(leaf, where.steps + t, where.points + t);
    messages.push({ role: "user", content: observation });
    places.push(messages.length);
    messages.push({ role: "assistant", content: action });
  }
  messages.push({ role: "user", content: leaf.texts[leaf.observations[where.points + overview.length(e)]] });
  return { messages, places };
}

// The lines of the labelled episodes, in their order.
export async function written(overview, source, said) {
  const lines = [];
  for (const e of [...said.keys()].sort((a, b) => a - b)) {
    const leaf = await source.leaf("steps", whereIs(overview, e).number);
    const { messages, places } = chat(overview, leaf, e);
    const own = [...said.get(e)].sort(([a], [b]) => a - b);
    const at = (pairs) => Object.fromEntries(pairs.map(([t, value]) => [String(places[t]), value]));
    const [run, id] = [overview.run(e).name, overview.text("id", e)];
    lines.push(line({
      total_index: overview.data.runs.length > 1 ? `${run}/${id}` : id, query_index: overview.text("task", e), question: overview.text("goal", e),
      data_source: overview.text("environment", e), run_id: run, episode_id: id, agent_id: overview.text("agent", e), messages,
      step_labels: at(own.filter(([, { label }]) => label !== null).map(([t, { label }]) => [t, label])),
      notes: at(own.filter(([, { note }]) => note).map(([t, { note }]) => [t, note])),
      final_label: FINAL[overview.data.episodes.outcome[e]],
    }));
  }
  return lines;
}

// The episode that a line is of: by the ids of run and episode, else by `total_index`; undefined for none of these.
function episodeOf(overview, { run_id: run, episode_id: id, total_index: whole }) {
  if (run !== undefined && id !== undefined) return overview.find(String(run), String(id));
  const name = String(id ?? whole);
  for (const { name: each } of overview.data.runs) {
    const found = overview.find(each, name.startsWith(`${each}/`) ? name.slice(each.length + 1) : name);
    if (found !== undefined) return found;
  }
  return undefined;
}

const entries = (given) => (Array.isArray(given) ? [...given.entries()] : Object.entries(given ?? {}));
const numberOf = (value) => (["number", "string", "boolean"].includes(typeof value) && value !== "" ? Number(value) : null);

// What the lines of a file say of the episodes here: changes for labels.set, and how many lines are of none of them or
// cannot be read.
export function readLabels(overview, text) {
  const changes = new Map();
  let [foreign, damaged] = [0, 0];
  for (const each of text.split("\n")) {
    if (each.trim() === "") continue;
    try {
      const row = JSON.parse(each);
      const e = episodeOf(overview, row);
      const places = new Map(row.messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : [])).map((index, t) => [index, t]));
      if (e === undefined || places.size !== overview.length(e)) { foreign += 1; continue; }
      const own = new Map();
      const add = (given, name, read) => {
        for (const [index, value] of entries(given)) {
          const t = places.get(Number(index));
          if (value === null) continue;
          if (t === undefined) throw new RangeError("it labels a message that is not the assistant's");
          own.set(t, { ...own.get(t), [name]: read(value) });
        }
      };
      add(row.step_labels, "label", numberOf);
      add(row.notes, "note", (note) => note);
      for (const [t, given] of own) {
        if (given.label !== undefined && ![1, 0, -1].includes(given.label)) throw new RangeError("a label is 1, 0 or -1");
        if (cleaned(given)) changes.set(`${e} ${t}`, [e, t, given]);
      }
    } catch { damaged += 1; }
  }
  return { changes: [...changes.values()], foreign, damaged };
}
