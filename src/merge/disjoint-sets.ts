/** Union-find over 0 to n - 1; a set is known by its least member. */
export class DisjointSets {
  readonly #parents: number[];

  constructor(size: number) {
    this.#parents = Array.from({ length: size }, (_none, index) => index);
  }

  find(member: number): number {
    let root = member;
    for (;;) {
      const parent = this.#parents[root] ?? root;
      if (parent === root) return root;
      root = parent;
    }
  }

  join(one: number, other: number): void {
    const [low, high] = [this.find(one), this.find(other)].sort((x, y) => x - y);
    if (low !== undefined && high !== undefined) this.#parents[high] = low;
  }
}
