/** Powers of ten, and of two by their logarithm to the base 1024, of the suffixes (apimachinery pkg/api/resource). */
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, "": 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, number>> = { Ki: 1, Mi: 2, Gi: 3, Ti: 4, Pi: 5, Ei: 6 };

const LARGEST_EXPONENT = 18;

/** Thousandths of a quantity, rounded up as Quantity.MilliValue does: 100 of `100m`; undefined for what is no quantity. */
export function milliOf(quantity: unknown): number | undefined {
  const text = typeof quantity === "number" ? String(quantity) : quantity;
  if (typeof text !== "string") return undefined;
  const found = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (found === null) return undefined;
  const [, figure = "", exponent, suffix = ""] = found;
  // As text, so that 0.1 has no binary remainder which would be rounded up.
  const milli = (power: number): number => Number(`${figure}e${power + 3}`);
  if (exponent !== undefined) return Math.ceil(milli(Number(exponent)));
  const binary = BINARY[suffix];
  return Math.ceil(binary === undefined ? milli(DECIMAL[suffix] ?? 0) : milli(0) * 1024 ** binary);
}

/**
 * `value` × 10^`exponent` as the API writes it in its decimal form: without a fraction, with the largest suffix
 * (`50m`, `1500m`, `2`, `3k`). The exponent is one of the suffixes', -9 to 18; the value is whole.
 */
export function formatQuantity(value: number, exponent: number): string {
  let [figure, power] = [value, exponent];
  if (figure === 0) return "0";
  while (figure % 1000 === 0 && power < LARGEST_EXPONENT) [figure, power] = [figure / 1000, power + 3];
  const suffix = Object.keys(DECIMAL).find((name) => DECIMAL[name] === power) ?? "";
  return `${figure}${suffix}`;
}
