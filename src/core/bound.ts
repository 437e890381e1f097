/** What a {@link Bound} measures; decides the units it may be written in. */
export type Dimension = "rate" | "time" | "size" | "share" | "count";

interface Unit {
  /** Factor to the dimension's base unit. */
  factor: number;
  name: string;
}

const UNITS: Readonly<Record<Dimension, readonly Unit[]>> = {
  // SI prefixes, as iperf3 and link speeds use them; base bit/s.
  rate: [
    { name: "bit/s", factor: 1 },
    { name: "kbit/s", factor: 1e3 },
    { name: "Mbit/s", factor: 1e6 },
    { name: "Gbit/s", factor: 1e9 },
  ],
  // Base ms.
  time: [
    { name: "us", factor: 0.001 },
    { name: "ms", factor: 1 },
    { name: "s", factor: 1000 },
    { name: "m", factor: 60_000 },
  ],
  // Base byte.
  size: [
    { name: "B", factor: 1 },
    { name: "kB", factor: 1e3 },
    { name: "MB", factor: 1e6 },
    { name: "KiB", factor: 1024 },
    { name: "MiB", factor: 1024 ** 2 },
  ],
  // Base 1, so that 5 % is 0.05.
  share: [
    { name: "%", factor: 0.01 },
    { name: "", factor: 1 },
  ],
  count: [{ name: "", factor: 1 }],
};

/** A comparison; the same shape as `Bound` of src/grade/types.ts. */
export interface ParsedBound {
  operator: ">=" | "<=" | ">" | "<" | "==";
  value: number;
  text: string;
}

/**
 * Reads `>= 500 Mbit/s`, `< 20ms`, `<= 5 %`, `== 3`; a bare number stands for `==` only with the dimension "count".
 * The value is in the dimension's base unit: bit/s, ms, bytes, a share of 1, or a plain count. Undefined when the text
 * is no bound of that dimension. Unit names are case-sensitive, because Mbit and mbit differ.
 */
export function parseBound(written: string | number, dimension: Dimension): ParsedBound | undefined {
  const text = String(written).trim();
  if (text.length > 60) return undefined;
  const match = /^(>=|<=|==|=|>|<)?\s*(\d+(?:\.\d+)?)\s*([A-Za-z%/]*)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, figure, unitName] = match;
  if (sign === undefined && dimension !== "count") return undefined;
  const unit = UNITS[dimension].find(({ name }) => name === unitName);
  if (unit === undefined) return undefined;
  const operator = sign === undefined || sign === "=" ? "==" : (sign as ParsedBound["operator"]);
  return { operator, value: Number(figure) * unit.factor, text };
}

/** An example and the units of a dimension, for error hints: `">= 500 Mbit/s"; units: bit/s, kbit/s, …`. */
export function describeBounds(dimension: Dimension): string {
  const examples: Record<Dimension, string> = {
    rate: ">= 500 Mbit/s",
    time: "< 20 ms",
    size: ">= 1400 B",
    share: "<= 5 %",
    count: "== 3",
  };
  const units = UNITS[dimension].map(({ name }) => name).filter((name) => name !== "");
  return `write it like "${examples[dimension]}"${units.length > 0 ? `; units: ${units.join(", ")}` : ""}`;
}

/** Whether a figure in the bound's base unit meets it. */
export function meetsBound(value: number, bound: { operator: ParsedBound["operator"]; value: number }): boolean {
  switch (bound.operator) {
    case ">=":
      return value >= bound.value;
    case "<=":
      return value <= bound.value;
    case ">":
      return value > bound.value;
    case "<":
      return value < bound.value;
    case "==":
      return value === bound.value;
  }
}
