// A list of any length of which only what is in sight is in the document.

// The first row in sight and the one after the last, with a margin on both sides.
export function inSight(scrolled, height, row, count, margin = 4) {
  const first = Math.max(0, Math.min(count, Math.floor(scrolled / row) - margin));
  return [first, Math.max(first, Math.min(count, Math.ceil((scrolled + height) / row) + margin))];
}

// `place` scrolls; rows are `row` pixels high; `draw(i)` makes an element for the i-th.
export function virtualList(place, row, draw) {
  const inner = document.createElement("ol");
  place.replaceChildren(inner);
  let count = 0;
  let rows = new Map();
  const made = (i) => {
    const node = draw(i);
    node.style.setProperty("transform", `translateY(${i * row}px)`);
    node.setAttribute("aria-setsize", String(count));
    node.setAttribute("aria-posinset", String(i + 1));
    return node;
  };
  const refresh = (anew) => {
    const [first, last] = inSight(place.scrollTop, place.clientHeight, row, count);
    const held = anew && inner.contains(document.activeElement) ? document.activeElement.dataset.row : undefined;
    const before = rows;
    rows = new Map();
    for (let i = first; i < last; i += 1) if (!anew && before.has(i)) rows.set(i, before.get(i));
    for (const [i, node] of before) if (rows.get(i) !== node) node.remove();
    let next = null;
    for (let i = last - 1; i >= first; i -= 1) { // from the end, so that each knows what it stands before
      if (!rows.has(i)) rows.set(i, made(i));
      if (rows.get(i).nextSibling !== next || rows.get(i).parentNode !== inner) inner.insertBefore(rows.get(i), next);
      next = rows.get(i);
    }
    if (held !== undefined) inner.querySelector(`[data-row="${held}"]`)?.focus({ preventScroll: true });
  };
  let due = 0;
  place.addEventListener("scroll", () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(() => refresh(false));
  }, { passive: true });
  new ResizeObserver(() => refresh(false)).observe(place);
  return {
    set(length) {
      count = length;
      inner.style.setProperty("height", `${length * row}px`);
      refresh(true);
    },
    show(i) {
      if (i * row < place.scrollTop) place.scrollTop = i * row;
      else if ((i + 1) * row > place.scrollTop + place.clientHeight) place.scrollTop = (i + 1) * row - place.clientHeight;
      refresh(true);
    },
    refresh: () => refresh(true),
  };
}
