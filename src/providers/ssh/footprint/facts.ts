import * as z from "zod";

const text = z.string().max(4 << 20);
const lines = z.array(text).max(50_000);

/** What footprint.py prints: files as they are, and what tools say in their own words. */
export const footprintFacts = z.object({
  /** Another one after each start of the machine: random(4), boot_id. */
  boot: text,
  /** By the folder that was walked. */
  trees: z.record(text, z.object({ problem: text.nullable(), entries: z.record(text, text) })),
  /** By their path below /proc/sys. */
  sysctls: z.record(text, text),
  /** "PLACE TYPE SOURCE". */
  mounts: lines,
  cgroups: lines,
  modules: lines,
  /** Lines of passwd(5) and group(5). */
  users: lines,
  groups: lines,
  swaps: lines,
  namespaces: lines,
  /** Protocol, port, program. */
  listening: z.array(z.tuple([text, z.number().int(), text])).max(10_000),
  /** First and last port that the kernel gives out by itself. */
  ephemeral: z.tuple([z.number().int(), z.number().int()]),
  /** By the name that footprint.py has for it; absent where the machine has no such program. */
  tools: z.record(text, z.object({ problem: text.nullable(), output: text })),
});

export type FootprintFacts = z.infer<typeof footprintFacts>;

const section = z.object({ problem: z.string().optional(), entries: z.record(z.string(), z.string()) });

/** What a machine has, in parts that can be compared: by section, what there is and how it is. */
export const footprint = z.object({
  version: z.literal(1),
  /** Of the time since which the machine runs. */
  boot: z.string(),
  sections: z.record(z.string(), section),
});

export type Footprint = z.infer<typeof footprint>;
export type FootprintSection = z.infer<typeof section>;
