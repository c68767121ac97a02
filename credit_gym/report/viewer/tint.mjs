// Numbers as text and as colour: blue for good, orange for bad, which every kind of colour blindness tells apart.

const MINUS = "\u2212";

const sign = (value) => (value < 0 ? MINUS : "+");

export function credit(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  return sign(value) + (size >= 1000 || size < 0.0005 ? size.toExponential(1) : size.toFixed(size >= 100 ? 1 : 3));
}

export const signed = (value) => (value ? sign(value) + Math.abs(value) : String(value ?? "–"));

export const plain = (value) => (value === null || value === undefined ? "–" : String(value).replace("-", MINUS));

export function largest(values, begin = 0, end = values.length) {
  let most = 0;
  for (let i = begin; i < end; i += 1) most = Math.max(most, Math.abs(values[i] || 0));
  return most;
}

export function tint(value, scale, strength = 0.6) {
  if (!value || !scale) return "";
  const alpha = strength * Math.sqrt(Math.min(1, Math.abs(value) / scale));
  return `rgb(var(--${value > 0 ? "plus" : "minus"}) / ${alpha.toFixed(3)})`;
}

export function paint(node, property, value, scale, strength) {
  const colour = tint(value, scale, strength);
  if (colour) node.style.setProperty(property, colour);
  return node;
}

// At most `most` ticks, each the value farthest from 0 among those it stands for.
export function ticks(values, begin, end, most = 40) {
  const count = Math.min(most, end - begin);
  return Array.from({ length: count }, (_, i) => {
    let far = 0;
    const [from, to] = [begin + Math.floor((i * (end - begin)) / count), begin + Math.floor(((i + 1) * (end - begin)) / count)];
    for (let p = from; p < to; p += 1) if (Math.abs(values[p] || 0) > Math.abs(far)) far = values[p];
    return far;
  });
}

export function strip(values, begin, end, scale) {
  const found = ticks(values, begin, end);
  const width = 100 / Math.max(1, found.length);
  const colours = found.map((value, i) => `${tint(value, scale, 1) || "transparent"} ${i * width}% ${(i + 1) * width}%`);
  return colours.length ? `linear-gradient(90deg, ${colours.join(", ")})` : "";
}
