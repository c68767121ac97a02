// What a model was asked and wrote at a step, and its tokens, coloured by one of their numbers.

import { make, onDemand, passage } from "./dom.mjs";
import { chatOf } from "./leaf.mjs";
import { plain } from "./tint.mjs";

export const TOKEN_TINTS = ["policy_logprobs", "reference_logprobs", "difference", "policy_entropies", "policy_kls", "credit"];
const SAYS = {
  policy_logprobs: "log-probability (nats)",
  reference_logprobs: "log-probability under the reference (nats)",
  difference: "log-probability less the reference's (nats)",
  policy_entropies: "entropy (nats)",
  policy_kls: "KL to the reference (nats)",
  credit: "credit of the step",
};
const FULL = { policy_logprobs: 5, reference_logprobs: 5, difference: 2, policy_entropies: 3, policy_kls: 1 }; // nats at which a colour is full

// The numbers of a step's tokens under a tint; null where they were not recorded.
export function tokenNumbers(model, place, tint, credit) {
  const column = (name) => (model[name]?.[place]?.length ? model[name][place] : null);
  if (tint === "credit") return credit === null ? null : model.tokens[place].map(() => credit);
  if (tint !== "difference") return column(tint);
  const [own, reference] = [column("policy_logprobs"), column("reference_logprobs")];
  return own && reference && own.map((value, i) => (value === null || reference[i] === null ? null : value - reference[i]));
}

function shade(value, tint, scale) {
  const full = tint === "credit" ? scale || 1 : FULL[tint];
  const alpha = 0.7 * Math.min(1, Math.abs(value ?? 0) / full);
  const good = tint === "credit" || tint === "difference" ? value > 0 : false;
  return `rgb(var(--${good ? "plus" : "minus"}) / ${alpha.toFixed(3)})`;
}

function drawTokens(model, place, { tint, credit, scale }) {
  const ids = model.tokens?.[place] ?? [];
  if (!ids.length) return [];
  const numbers = tokenNumbers(model, place, tint, credit);
  const texts = model.token_texts?.[place];
  const chips = ids.map((id, i) => {
    const says = numbers === null || numbers[i] === null || numbers[i] === undefined ? "not recorded" : plain(numbers[i]);
    const chip = make("span", { className: "token", text: texts?.[i] ?? String(id), title: `token ${id}: ${SAYS[tint]} ${says}` });
    if (numbers !== null) chip.style.setProperty("background-color", shade(numbers[i], tint, scale));
    return chip;
  });
  const what = numbers === null ? `${SAYS[tint]}: not recorded` : `tinted by ${SAYS[tint]}`;
  return [make("p", { className: "label", text: `${ids.length} tokens, ${what}` }), make("p", { className: "tokens" }, ...chips)];
}

function drawMessage(message) {
  const asked = [message.tool_calls ?? []].flat(); // whatever a model server made of them
  const calls = asked.map((call) => make("pre", { className: "model", text: JSON.stringify(call?.function ?? call) }));
  const text = typeof message.content === "string" ? message.content : message.content ? JSON.stringify(message.content) : "";
  return make("li", {}, make("span", { className: "role", text: message.role ?? "" }), ...(text ? passage("model", text) : []), ...calls);
}

// `first` is the place of the episode's first step in the leaf, `place` that of the step.
export function drawModel(model, step, first, place, shown) {
  const parts = [];
  const told = [["decoding", step.decoding], ["reply ended by", step.finish]].filter(([, value]) => value);
  if (told.length) parts.push(make("p", { className: "facts" }, ...told.map(([name, value]) => make("span", { text: `${name} ` }, make("b", { text: value })))));
  if (model.chats) {
    const chat = chatOf(model, first, place);
    const [earlier, latest] = [chat.slice(0, -1), chat.slice(-1)];
    if (chat.length) parts.push(make("p", { className: "label", text: `prompt, ${chat.length} messages` }));
    if (earlier.length) parts.push(onDemand(`${earlier.length} earlier`, async () => [make("ol", { className: "chat" }, ...earlier.map(drawMessage))]));
    if (chat.length) parts.push(make("ol", { className: "chat" }, ...latest.map(drawMessage)));
  }
  for (const [name, text] of [["thought", step.thought], ["raw reply", step.reply]]) {
    if (text) parts.push(make("p", { className: "label", text: name }), make("pre", { className: "model", text }));
  }
  if (step.calls.length) {
    parts.push(make("p", { className: "label", text: "tool calls" }), ...step.calls.map((text) => make("pre", { className: "model", text })));
    parts.push(make("p", { className: "label", text: "result" }), ...passage("model", step.result));
  }
  parts.push(...drawTokens(model, place, shown));
  return parts.length ? parts : [make("p", { text: "No model was recorded at this step." })];
}
