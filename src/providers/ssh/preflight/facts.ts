import * as z from "zod";
import type { PlannedNode } from "../../../plan/types.ts";

const line = z.string().max(4096);
const lines = z.array(line).max(1000);
const count = z.number().int().nonnegative();

const protocol = z.enum(["tcp", "udp"]);

/** What preflight.py measured; a part that could not be measured is absent, and `problems` says why. */
export const machineFacts = z.object({
  problems: lines,
  python: z.tuple([count, count, count]),
  isRoot: z.boolean(),
  system: z.object({ id: line, like: lines, name: line, version: line }).optional(),
  kernelRelease: line,
  architecture: line,
  hasSystemd: z.boolean(),
  cpus: count,
  memoryMb: count,
  disks: z
    .array(z.object({ path: line, freeMb: count, freeInodes: count.nullable(), device: count }))
    .max(10)
    .optional(),
  cgroup: z.object({ version: z.union([z.literal(1), z.literal(2)]), controllers: lines }).optional(),
  swaps: lines.optional(),
  listeners: z
    .array(z.object({ protocol, address: line, port: count, holder: line.nullable() }))
    .max(1000)
    .optional(),
  modules: z.record(line, z.enum(["loaded", "loadable", "missing"])).optional(),
  /** Answers to what src/providers/kernel-features.ts asks. */
  kernel: z
    .array(z.object({ argv: lines, exitCode: z.number().int().nullable(), stderr: line }))
    .max(100)
    .optional(),
  interfaces: z.object({
    problem: line.nullable(),
    links: z
      .array(
        z.object({
          name: line,
          mac: line,
          mtu: count,
          up: z.boolean(),
          isEthernet: z.boolean(),
          isVirtual: z.boolean(),
          addresses: lines,
        }),
      )
      .max(200),
  }),
  /** `addresses` of its own name; null where the resolver did not answer in two seconds. */
  names: z.object({ host: line, addresses: lines.nullable() }).optional(),
  machineId: line,
  firewalls: lines.optional(),
  /** Files and processes of a cluster that is there; how `strange` ones are removed is not known here. */
  cluster: z.object({ known: lines, strange: lines }).optional(),
  containers: z
    .array(z.object({ where: line, count }))
    .max(100)
    .optional(),
  /** By the peer's address. Absent where we are not root. */
  packets: z
    .record(
      line,
      z.object({ linkMtu: count, largest: count.nullable(), roundTripMs: z.number().nonnegative().nullable() }),
    )
    .optional(),
  /** "open", "silent", or an errno: ECONNREFUSED where nothing listens, EHOSTUNREACH and EACCES where a firewall says no. */
  ports: z
    .array(z.object({ peer: line, protocol, port: count, answer: line }))
    .max(2000)
    .optional(),
  /** Its clock, in seconds, as the first and the last thing that it did. */
  start: z.number().finite(),
  end: z.number().finite(),
});

export type MachineFacts = z.infer<typeof machineFacts>;

/** "external" is the host outside the cluster, which is not joined. */
export type MachineRole = PlannedNode["role"] | "external";

/** One machine, as preflight found it. */
export interface MeasuredMachine {
  name: string;
  role: MachineRole;
  /** Of the node network: what other machines reach it by. IPv4. */
  address: string;
  facts: MachineFacts;
  /** Its clock minus ours, in ms: somewhere between the two, as far as the round trip lets one tell. */
  clock: { atLeastMs: number; atMostMs: number };
}

/** The bounds of a machine's clock against ours: its first moment was after we asked, its last before we had the answer. */
export function clockBounds(
  { start, end }: Pick<MachineFacts, "start" | "end">,
  askedMs: number,
  answeredMs: number,
): MeasuredMachine["clock"] {
  return { atLeastMs: end * 1000 - answeredMs, atMostMs: start * 1000 - askedMs };
}
