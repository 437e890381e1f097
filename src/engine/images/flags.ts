/** The value of `--name=value`, `--name value` or their one-dash forms (Go's flag package); the last one counts. */
export function flagValue(args: readonly string[], ...names: string[]): string | undefined {
  let value: string | undefined;
  for (const [index, arg] of args.entries()) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(arg);
    if (match === null || !names.includes(match[1] ?? "")) continue;
    value = match[2] ?? args[index + 1] ?? "";
  }
  return value;
}

/** A boolean flag: present alone it is true, as `--name=false` it is not. */
export function flagIsSet(args: readonly string[], name: string, byDefault: boolean): boolean {
  let value = byDefault;
  for (const arg of args) {
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(arg);
    if (match?.[1] === name) value = match[2] === undefined || match[2] === "true" || match[2] === "1";
  }
  return value;
}

/** A port from a flag or a variable: the default where it is absent, undefined where it is no port. */
export function portOf(text: string | undefined, byDefault: number): number | undefined {
  if (text === undefined) return byDefault;
  const port = Number(text);
  return /^\d+$/.test(text) && port >= 1 && port <= 65_535 ? port : undefined;
}

/** `[address]:port` with an address that may be missing, as Go's -listen flags take it. */
export function listenAddress(
  text: string | undefined,
  byDefault: number,
): { address?: string; port: number | undefined } {
  if (text === undefined) return { port: byDefault };
  const colon = text.lastIndexOf(":");
  const host = colon < 0 ? "" : text.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = portOf(text.slice(colon + 1), byDefault);
  const isEvery = host === "" || host === "0.0.0.0" || host === "::" || host === "*";
  return isEvery ? { port } : { address: host === "localhost" ? "127.0.0.1" : host, port };
}
