/** The same part, but for some of its methods. */
export function changed<T extends object>(part: T, methods: Partial<T>): T {
  return new Proxy(part, {
    get: (target, name) => {
      const other: unknown = Reflect.get(methods, name);
      if (other !== undefined) return other;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === 'function' ? (own.bind(target) as unknown) : own;
    },
  });
}
