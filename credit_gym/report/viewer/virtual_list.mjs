// A list of any length of which only what is in sight is in the document.

// The first row in sight and the one after the last, with a margin on both sides.
export function inSight(scrolled, height, row, count, margin = 8) {
  const first = Math.max(0, Math.min(count, Math.floor(scrolled / row) - margin));
  return [first, Math.max(first, Math.min(count, Math.ceil((scrolled + height) / row) + margin))];
}

// `place` scrolls; rows are `row` pixels high; `draw(i)` makes an element for the i-th.
export function virtualList(place, row, draw) {
  const inner = document.createElement("ol");
  place.replaceChildren(inner);
  let [count, drawn] = [0, ""];
  const refresh = (anew) => {
    const [first, last] = inSight(place.scrollTop, place.clientHeight, row, count);
    if (!anew && drawn === `${first} ${last}`) return;
    drawn = `${first} ${last}`;
    const held = inner.contains(document.activeElement) ? document.activeElement.dataset.row : undefined;
    inner.replaceChildren(...Array.from({ length: last - first }, (_, i) => {
      const node = draw(first + i);
      node.style.setProperty("transform", `translateY(${(first + i) * row}px)`);
      node.setAttribute("aria-setsize", String(count));
      node.setAttribute("aria-posinset", String(first + i + 1));
      return node;
    }));
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
