// Where the credits of a step stand: beside its text while that has room, else below it, each with its scorer's name.

const [INDEX, TEXT, CREDIT] = [52, 260, 92]; // pixels: the step's number, the least room of its text, a column

export const stacked = (width, scorers) => width < INDEX + TEXT + CREDIT * scorers;

// `place` has the steps, `scorers()` says how many there are; call what is returned when they are others.
export function stacking(place, scorers) {
  const set = () => { place.classList.toggle("stacked", stacked(place.clientWidth, scorers())); };
  new ResizeObserver(() => requestAnimationFrame(set)).observe(place);
  return set;
}
