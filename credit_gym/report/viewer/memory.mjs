// What the browser remembers between visits; one that refuses forgets, and says so.

const PREFIX = "credit_gym.";

// `storage()` returns what is remembered in, or throws where there is none.
export function memoryOf(storage) {
  const tried = (does, otherwise) => { try { return does(storage()); } catch { return otherwise; } };
  return {
    get: (name) => tried((kept) => kept.getItem(PREFIX + name), null),
    // Whether it is remembered; null forgets.
    set: (name, value) => tried((kept) => {
      if (value === null) kept.removeItem(PREFIX + name);
      else kept.setItem(PREFIX + name, value);
      return true;
    }, false),
    names: () => tried((kept) => Array.from({ length: kept.length }, (_, i) => nameOf(kept.key(i))).filter((name) => name !== null), []),
  };
}

// The name that something was remembered under, from the key that the storage has for it; null for what is not ours.
export const nameOf = (key) => (key?.startsWith(PREFIX) ? key.slice(PREFIX.length) : null);
