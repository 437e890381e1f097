import type { LogLine } from "./types.ts";

/** A line as Traefik's log has it, without colours: time, level, message, and the fields by name, `error` first (zerolog's ConsoleWriter). */
export function logText({ message, error, fields }: LogLine, at: Date): string {
  const rest = Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const all: [string, string][] = error === undefined ? rest : [["error", error], ...rest];
  const time = `${at.toISOString().slice(0, 19)}Z`;
  return [
    time,
    "ERR",
    ...(message === "" ? [] : [message]),
    ...all.map(([name, value]) => `${name}=${quoted(value)}`),
  ].join(" ");
}

function quoted(value: string): string {
  return /^[\x21-\x7e]*$/.test(value) && !/["\\]/.test(value) ? value : JSON.stringify(value);
}
