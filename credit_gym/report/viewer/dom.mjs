// Elements. Everything that comes from an episode enters the document through textContent; nothing is parsed as HTML.

export function make(tag, properties = {}, ...children) {
  const { className, text, on = {}, ...attributes } = properties;
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const button = (text, does, properties = {}) => make("button", { type: "button", text, on: { click: does }, ...properties });

// A passage that is cut short where it is long, with a button for the rest.
export function passage(className, text) {
  const node = make("div", { className, text });
  if (text.length < 420 && text.split("\n").length < 7) return [node];
  node.classList.add("long");
  const more = button("show all", () => {
    more.textContent = node.classList.toggle("long") ? "show all" : "show less";
  }, { className: "more" });
  return [node, more];
}

// Details whose content is made when they are first opened.
export function onDemand(title, fill, properties = {}) {
  const body = make("div", { className: "body" });
  const node = make("details", properties, make("summary", { text: title }), body);
  let filled = false;
  node.addEventListener("toggle", async () => {
    if (!node.open || filled) return;
    filled = true;
    try {
      body.replaceChildren(...(await fill()).filter(Boolean));
    } catch (error) {
      filled = false; // what failed once may be asked again
      body.replaceChildren(make("p", { text: error.message }));
    }
  });
  return node;
}

// Details that are as they were left; `left(open)` is told how they are left now, `fill` makes their content.
export async function fold(title, fill, { open, left, ...properties }) {
  const body = make("div", { className: "body" });
  const node = make("details", properties, make("summary", { text: title }), body);
  node.open = open;
  let filled = open;
  node.addEventListener("toggle", async () => {
    left(node.open);
    if (!node.open || filled) return;
    filled = true;
    body.replaceChildren(...await fill());
  });
  if (open) body.replaceChildren(...await fill());
  return node;
}

export function table(heads, rows) {
  const cell = (value) => (value instanceof Node ? make("td", {}, value) : make("td", { text: String(value) }));
  return make("div", { className: "scroll" }, make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { text, scope: "col" })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map(cell))))));
}

// A choice of names; `choose(i)` is told which.
export function select(label, names, chosen, choose) {
  const options = names.map((name, i) => {
    const node = make("option", { text: name, value: String(i) });
    node.selected = i === chosen;
    return node;
  });
  const node = make("select", { "aria-label": label, on: { change: () => choose(Number(node.value)) } }, ...options);
  return node;
}
