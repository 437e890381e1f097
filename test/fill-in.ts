/** `value` with `$(end)` in its texts, however deep, replaced by the end's address, which is known only once pods run. */
export function fillIn(value: unknown, addressOf: (end: string) => string): unknown {
  if (typeof value === "string") return value.replaceAll(/\$\(([^)]+)\)/g, (_, end: string) => addressOf(end));
  if (Array.isArray(value)) return value.map((item) => fillIn(item, addressOf));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, addressOf)]));
}
