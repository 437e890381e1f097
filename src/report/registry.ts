import type { Reporter } from "./types.ts";

/**
 * Every way to write a report: `-o NAME` to standard output, `--reporter NAME=FILE` to a file. Each is loaded when it
 * is asked for: the XML library alone takes longer to load than a small lab to grade.
 */
export const reporters = {
  table: async () => (await import("./terminal.ts")).renderTerminal,
  json: async () => (await import("./json.ts")).renderJson,
  yaml: async () => (await import("./json.ts")).renderYaml,
  junit: async () => (await import("./junit.ts")).renderJunit,
} as const satisfies Record<string, () => Promise<Reporter>>;

export type ReporterName = keyof typeof reporters;
