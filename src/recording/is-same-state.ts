/** Every step makes a new state, of what it has changed and of what it has left as it was. */
export function isSameState<T extends object>(before: T, after: T): boolean {
  const keys = Object.keys(after) as (keyof T)[];
  return (
    keys.length === Object.keys(before).length && keys.every((key) => before[key] === after[key])
  );
}
