import * as z from "zod";
import { parseBound } from "../core/bound.ts";
import { formatDurationMs } from "../core/duration.ts";
import { LabError } from "../core/errors.ts";
import { durationField, endpointField, parsedBy } from "../lab/fields.ts";
import { parseEndpointRef } from "../lab/refs.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { Fault, FaultKind, FaultPlace } from "../providers/fault.ts";

/** What stands beside a fault's own key. */
type FaultOption = "name" | "interface" | "duration" | "bytes" | "percent" | "rate" | "time" | "count";

/**
 * Every fault by its word, in the order that messages name them: the option that it needs, and those that it may have. One that ends by
 * itself after a duration may have a name instead: its probes run meanwhile.
 */
const WORDS: Readonly<Record<FaultKind, { needs?: FaultOption; may: readonly FaultOption[] }>> = {
  pause: { may: [] },
  linkDown: { may: ["interface", "duration"] },
  nodeDown: { may: ["duration"] },
  killCniAgent: { may: [] },
  restart: { may: [] },
  partition: { may: ["duration"] },
  podKill: { may: ["count", "name"] },
  rolloutRestart: { may: ["name"] },
  mtu: { needs: "bytes", may: ["interface", "duration"] },
  loss: { needs: "percent", may: ["interface", "duration"] },
  rateLimit: { needs: "rate", may: ["interface", "duration"] },
  delay: { needs: "time", may: ["interface", "duration"] },
  kubeProxyStopped: { may: ["duration"] },
  policyAgentStopped: { may: ["duration"] },
  dnsStopped: { may: ["duration"] },
  cniMissing: { may: ["duration"] },
  duplicateAddress: { may: ["interface", "duration"] },
  conntrackFull: { may: ["duration"] },
};

const FAULT_WORDS = Object.keys(WORDS) as FaultKind[];

/** How each is written; the others are about a node. */
const FORMS: Partial<Record<FaultKind, string>> = {
  partition: "[[node/NAME], [node/NAME]]",
  podKill: "NAMESPACE/deployment/NAME",
  rolloutRestart: "NAMESPACE/deployment/NAME",
  dnsStopped: "true",
};

/** The interface of a node that its first network is on. */
const FIRST_INTERFACE = "eth0";

/** A shorter fault may be over before it is seen; the longest is that of every duration in a lab. */
const SHORTEST_MS = 1000;
const LONGEST_DELAY_MS = 10_000;
/** Every IPv4 link carries 576 bytes (RFC 791); jumbo frames have 9000. */
const MTU = { min: 576, max: 9000 } as const;
const RATE = { min: 8_000, max: 10_000_000_000 } as const;
const MOST_PODS = 100;
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** `node/NAME`, which gives the name. */
function nodeField(): z.ZodType<string, string> {
  return parsedBy((text) => {
    const hint = "write node/NAME, such as node/worker1";
    const ref = parseEndpointRef(text.includes("/") ? text : `node/${text}`);
    if (ref.kind !== "node" || !text.includes("/")) {
      throw new LabError("LAB_FAULT_NO_NODE", `${JSON.stringify(text)} is no node`, { hint });
    }
    return ref.name;
  }).meta({ examples: ["node/worker1"] });
}

const rateField = parsedBy((text) => {
  const bitsPerSecond = parseBound(`== ${text}`, "rate")?.value;
  if (bitsPerSecond !== undefined && bitsPerSecond >= RATE.min && bitsPerSecond <= RATE.max) return bitsPerSecond;
  throw new LabError("LAB_FAULT_OPTION", `${JSON.stringify(text)} is no rate of a link`, {
    hint: "write it like 500 kbit/s, 10 Mbit/s or 1 Gbit/s; from 8 kbit/s to 10 Gbit/s",
  });
}).meta({ examples: ["10 Mbit/s"] });

const fields = z.strictObject({
  pause: nodeField().optional().describe("The node whose processes stand still"),
  linkDown: nodeField().optional().describe("The node whose interface is down"),
  nodeDown: nodeField().optional().describe("The node that nobody hears from any more, nor its pods"),
  killCniAgent: nodeField().optional().describe("The node whose CNI agent is killed"),
  restart: nodeField().optional().describe("The node that is started anew"),
  partition: z
    .array(z.array(nodeField()).min(1))
    .min(2)
    .optional()
    .describe("Groups of nodes that no longer reach each other; others reach all"),
  podKill: endpointField().optional().describe("The pod that is killed, or the workload that loses pods"),
  rolloutRestart: endpointField().optional().describe("The workload whose pods are all replaced"),
  mtu: nodeField().optional().describe("The node whose link carries no more than `bytes`"),
  loss: nodeField().optional().describe("The node whose link loses `percent` of all frames"),
  rateLimit: nodeField().optional().describe("The node whose link carries no more than `rate`"),
  delay: nodeField().optional().describe("The node whose link takes `time` longer, each way"),
  kubeProxyStopped: nodeField().optional().describe("The node whose Service rules no longer follow changes"),
  policyAgentStopped: nodeField().optional().describe("The node whose policy rules no longer follow changes"),
  dnsStopped: z.literal(true).optional().describe("Cluster DNS has no pods"),
  cniMissing: nodeField().optional().describe("The node on which new pods get no network"),
  duplicateAddress: nodeField().optional().describe("The node whose address another host of its network has, too"),
  conntrackFull: nodeField().optional().describe("The node that has no room for new connections"),
  interface: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,15}$/, "is no interface name")
    .optional()
    .describe(`With a fault of a link: which interface; default ${FIRST_INTERFACE}`),
  name: z
    .string()
    .regex(NAME, "is no name of a fault: letters a to z, digits and dashes, at most 40")
    .optional()
    .describe("The fault is made for the probes whose `during` or `after` names it, and restored between the two"),
  duration: durationField().optional().describe("With a fault: when it is taken back by itself, 1s to 60m"),
  bytes: z.int().min(MTU.min).max(MTU.max).optional().describe("With mtu: the largest packet"),
  percent: z.number().gt(0).max(100).optional().describe("With loss: of the frames in each direction"),
  rate: rateField.optional().describe("With rateLimit: such as 10 Mbit/s, each way"),
  time: durationField().optional().describe("With delay: such as 50ms"),
  count: z.int().min(1).max(MOST_PODS).optional().describe("With podKill of a workload: how many pods; default 1"),
});

type Written = z.output<typeof fields>;

interface Refusal {
  code: string;
  message: string;
  hint: string;
  path?: (string | number)[];
}

/**
 * What a step that breaks something takes, or one that mends it: exactly one fault, and what belongs to it. `unneeded`
 * gives for a word why nothing has to be taken back.
 */
export function faultField(step: "fault"): z.ZodType<Fault>;
export function faultField(
  step: "restore",
  unneeded: Partial<Record<FaultKind, { message: string; hint: string }>>,
): z.ZodType<FaultPlace>;
export function faultField(
  step: "fault" | "restore",
  unneeded: Partial<Record<FaultKind, { message: string; hint: string }>> = {},
): z.ZodType<FaultPlace> {
  const taken = FAULT_WORDS.filter((word) => unneeded[word] === undefined);
  return fields.transform((written, issues): FaultPlace => {
    const [word, second] = FAULT_WORDS.filter((each) => written[each] !== undefined);
    // A misspelt word is reported already, with what it was meant to be.
    if (word === undefined && issues.issues.length > 0) return z.NEVER;
    const refuse = ({ code, message, hint, path = [] }: Refusal): never => {
      issues.addIssue({ code: "custom", path, message, params: { code, hint } });
      return z.NEVER;
    };
    if (word === undefined) {
      const forms = taken.map((each) => `${each}: ${FORMS[each] ?? "node/NAME"}`).join(", ");
      return refuse({ code: "LAB_FAULT_NOT_ONE", message: `${step} names no fault`, hint: `write one of: ${forms}` });
    }
    if (second !== undefined) {
      const message = `${step} names one fault, this has ${word} and ${second}`;
      return refuse({ code: "LAB_FAULT_NOT_ONE", message, hint: "make two steps of it", path: [second] });
    }
    const reason = unneeded[word];
    if (reason !== undefined) return refuse({ code: "LAB_RESTORE_NOT_NEEDED", ...reason, path: [word] });
    const refusal = wrongOption(step, word, written) ?? wrongTarget(word, written);
    if (refusal !== undefined) return refuse(refusal);
    return step === "restore" ? placeOf(word, written) : faultOf(word, written);
  });
}

const OPTION_CODES: Partial<Record<FaultOption, string>> = {
  name: "LAB_FAULT_NAME",
  interface: "LAB_FAULT_INTERFACE",
  duration: "LAB_FAULT_DURATION",
};

function mayHave(word: FaultKind): FaultOption[] {
  const { needs, may } = WORDS[word];
  return [...(needs === undefined ? [] : [needs]), ...may, ...(may.includes("duration") ? (["name"] as const) : [])];
}

function wrongOption(step: "fault" | "restore", word: FaultKind, written: Written): Refusal | undefined {
  const { needs } = WORDS[word];
  const belonging = mayHave(word);
  const options: readonly FaultOption[] = [
    "name",
    "interface",
    "duration",
    "bytes",
    "percent",
    "rate",
    "time",
    "count",
  ];
  for (const option of options.filter((each) => written[each] !== undefined)) {
    const code = OPTION_CODES[option] ?? "LAB_FAULT_OPTION";
    if (!belonging.includes(option)) {
      const owners = FAULT_WORDS.filter((each) => mayHave(each).includes(option));
      const message = `${option} belongs to ${owners.join(", ")}, not to ${word}`;
      return { code, message, hint: `leave ${option} out`, path: [option] };
    }
    if (step === "restore" && option !== "interface") {
      const message = "a restore takes the fault back at once, whatever it was";
      return { code, message, hint: `leave ${option} out: it belongs to the fault step`, path: [option] };
    }
  }
  if (step === "fault" && needs !== undefined && written[needs] === undefined) {
    return { code: "LAB_FAULT_OPTION", message: `${word} needs ${needs}`, hint: `add ${needs}:`, path: [word] };
  }
  if (written.name !== undefined && written.duration !== undefined) {
    const message = "a fault with a name lasts as long as the probes that run during it";
    return { code: "LAB_FAULT_DURATION", message, hint: "leave duration out", path: ["duration"] };
  }
  if (written.duration !== undefined && written.duration < SHORTEST_MS) {
    const shortest = formatDurationMs(SHORTEST_MS);
    const message = `a fault lasts for ${shortest} or longer`;
    return { code: "LAB_FAULT_DURATION", message, hint: `write at least ${shortest}`, path: ["duration"] };
  }
  if (written.time === undefined || (written.time >= 1 && written.time <= LONGEST_DELAY_MS)) return undefined;
  const message = `a link is delayed by 1ms to ${formatDurationMs(LONGEST_DELAY_MS)}`;
  return { code: "LAB_FAULT_OPTION", message, hint: "write it like 50ms", path: ["time"] };
}

function wrongTarget(word: FaultKind, written: Written): Refusal | undefined {
  const { podKill, rolloutRestart, count, partition } = written;
  if (word === "rolloutRestart" && (rolloutRestart?.kind !== "workload" || rolloutRestart.workload === "replicaset")) {
    const hint = "write NAMESPACE/deployment/NAME, or statefulset or daemonset";
    const message = "rolloutRestart names a Deployment, StatefulSet or DaemonSet";
    return { code: "LAB_FAULT_NO_WORKLOAD", message, hint, path: [word] };
  }
  if (word === "podKill" && podKill?.kind !== "pod" && podKill?.kind !== "workload") {
    const hint = "write NAMESPACE/pod/NAME or NAMESPACE/deployment/NAME";
    return { code: "LAB_FAULT_NO_POD", message: "podKill names a pod or a workload", hint, path: [word] };
  }
  if (podKill?.kind === "pod" && count !== undefined) {
    const message = "count belongs to podKill of a workload: a pod is one";
    return { code: "LAB_FAULT_OPTION", message, hint: "leave count out", path: ["count"] };
  }
  const seen = new Set<string>();
  for (const [index, group] of (partition ?? []).entries()) {
    for (const [place, node] of group.entries()) {
      if (!seen.has(node)) seen.add(node);
      else {
        const message = `node ${node} stands twice in the partition`;
        const hint = "a node is on one side; one that stands in no group reaches all";
        return { code: "LAB_FAULT_PARTITION", message, hint, path: ["partition", index, place] };
      }
    }
  }
  return undefined;
}

function placeOf(word: FaultKind, written: Written): FaultPlace {
  switch (word) {
    case "partition":
      return { kind: word, groups: written.partition as string[][] };
    case "podKill":
    case "rolloutRestart":
      return { kind: word, target: written[word] as EndpointRef };
    case "dnsStopped":
      return { kind: word };
    case "linkDown":
    case "mtu":
    case "loss":
    case "rateLimit":
    case "delay":
    case "duplicateAddress":
      return { kind: word, node: written[word] as string, interface: written.interface ?? FIRST_INTERFACE };
    case "pause":
    case "killCniAgent":
    case "restart":
    case "nodeDown":
    case "kubeProxyStopped":
    case "policyAgentStopped":
    case "cniMissing":
    case "conntrackFull":
      return { kind: word, node: written[word] as string };
  }
}

function faultOf(word: FaultKind, written: Written): Fault {
  const { bytes, percent, rate, time, count, duration, name } = written;
  const amount = {
    ...(bytes === undefined ? {} : { bytes }),
    ...(percent === undefined ? {} : { percent }),
    ...(rate === undefined ? {} : { bitsPerSecond: rate }),
    ...(time === undefined ? {} : { delayMs: time }),
    ...(word === "podKill" ? { count: count ?? 1 } : {}),
    ...(duration === undefined ? {} : { durationMs: duration }),
    ...(name === undefined ? {} : { name }),
  };
  return { ...placeOf(word, written), ...amount } as Fault;
}
