import * as z from "zod";
import { dnsLabelProblem } from "../kube/names.ts";
import { IP_FAMILIES } from "./families.ts";
import { durationField, endpointField } from "./fields.ts";
import { machineFields } from "./machines.ts";
import { realClusterFields } from "./real-cluster.ts";
import type { LabRegistries } from "./registries.ts";
import { vmSchema } from "./vms.ts";

/** The topology of a lab that names none. */
export const DEFAULT_TOPOLOGY = "two-workers";

/** Version of the file format. */
export const LAB_API_VERSION = "cnilab.dev/v1alpha1";

const MTU = z.int().min(576).max(9216);

/** One line of text for people. */
export function line(maxLength: number): z.ZodString {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .regex(/^[^\n\r]*$/, { error: "must be a single line" });
}

/** A name that becomes part of file, interface or host names. */
export function nameField(): z.ZodString {
  return z.string().superRefine((text, context) => {
    const problem = text.length > 40 ? "is longer than 40 characters" : dnsLabelProblem(text);
    if (problem !== undefined)
      context.addIssue({
        code: "custom",
        message: `name ${JSON.stringify(text.slice(0, 60))} ${problem}`,
        params: { code: "LAB_BAD_NAME" },
      });
  });
}

/** One CIDR, or one a family; what they may be is checked where both are known. */
function networksField() {
  return z.union([z.string(), z.array(z.string())]).describe("a CIDR, or a list of two: IPv4, then IPv6");
}

const taintSchema = z.strictObject({
  key: z.string().min(1),
  value: z.string().optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
});

const networkSchema = z.strictObject({
  subnet: z.string().describe("IPv4 CIDR of the node network; .1 is the router"),
  mtu: MTU.default(1500),
});

const nodeSchema = z.strictObject({
  role: z.enum(["control-plane", "worker"]).default("worker"),
  networks: z.array(z.string()).min(1),
  labels: z.record(z.string(), z.string()).default({}),
  taints: z.array(taintSchema).optional().describe("default: kubeadm's, NoSchedule on the control plane"),
  machine: z
    .strictObject({
      ...machineFields,
      vm: vmSchema.optional().describe("a virtual machine that is made for this node"),
    })
    .optional()
    .describe("provider ssh: the machine that becomes this node; an inventory names them apart from the lab"),
});

/** Nodes and networks, inline in a lab or in a file of topologies/. */
export const topologySchema = z.strictObject({
  networks: z.record(z.string(), networkSchema),
  nodes: z.record(z.string(), nodeSchema),
  links: z.array(z.strictObject({ node: z.string(), network: z.string(), mtu: MTU })).default([]),
  vm: vmSchema
    .optional()
    .describe("provider ssh: virtual machines are made for all nodes that name no machine that is there"),
});

/** A file of topologies/. */
export const topologyFileSchema = topologySchema.extend({
  apiVersion: z.literal(LAB_API_VERSION),
  kind: z.literal("Topology"),
});

/** What a topology says, before addresses are assigned. */
export type TopologyInput = z.output<typeof topologySchema>;

/** Words that every kind of probe takes as `expect`. */
export const EXPECT_WORDS = ["allowed", "blocked", "rejected", "policy"] as const;

/** What a grade that is late can earn. */
export const AFTER_LIMIT = ["nothing", "points"] as const;

/** Fields of a probe beside its kind. */
export const PROBE_FIELDS = ["name", "from", "expect", "points", "hint", "during", "after", "within"] as const;

/** Text of a task's hint. */
const hintText = z.string().trim().min(1).max(2000);

type OptionSchemas = Record<string, z.ZodOptional<z.ZodType>>;

/** Options of each kind under the kind's own name; that exactly one is there is checked by `readKinds`. */
function optionsOf(kinds: Readonly<Record<string, { options: z.ZodType; summary: string }>>): OptionSchemas {
  return Object.fromEntries(Object.entries(kinds).map(([kind, { options }]) => [kind, options.optional()]));
}

/** How long a lab or an exam may take: 1m to 24h, in milliseconds. */
export function timeLimitField() {
  return durationField(24 * 3_600_000).superRefine((limitMs, issues) => {
    if (limitMs < 60_000)
      issues.addIssue({
        code: "custom",
        message: "a time limit is 1m or longer",
        params: { code: "LAB_BAD_DURATION" },
      });
  });
}

/** The schema of a lab file, for the kinds registered. Figures for `expect` are checked by each probe's kind. */
export function labSchema(registries: LabRegistries) {
  const cniName = z.enum(Object.keys(registries.cnis));
  const probe = z.strictObject({
    name: line(120).optional(),
    from: endpointField().optional(),
    expect: z.union([z.string(), z.record(z.string(), z.unknown())]),
    points: z.number().min(0).max(1000).optional(),
    hint: z.string().min(1).max(1000).optional(),
    during: z.string().optional().describe("The name of a fault step: the probe runs while that fault is there"),
    after: z.string().optional().describe("The name of a fault step: the probe runs when that fault was restored"),
    within: durationField()
      .optional()
      .describe(
        "Repeated until it is as expected, at most so long; with during from the fault on, with after from its restore; 1s to 10m",
      ),
    ...optionsOf(registries.probes),
  });
  return z.strictObject({
    apiVersion: z.literal(LAB_API_VERSION),
    kind: z.literal("Lab"),
    metadata: z.strictObject({
      name: nameField(),
      title: line(120),
      level: line(40).optional(),
      minutes: z.int().min(1).max(600).optional(),
      description: z.string().max(4000).optional(),
    }),
    timeLimit: timeLimitField()
      .optional()
      .describe("Counted from when up, or reset, was done to when a grade begins; 1m to 24h"),
    afterLimit: z
      .enum(AFTER_LIMIT)
      .optional()
      .describe("What a grade earns that begins after the time limit; default nothing"),
    topology: z.union([z.string(), topologySchema]).default(DEFAULT_TOPOLOGY),
    cni: z.union([
      cniName,
      z.strictObject({
        name: cniName,
        mode: z.string().optional(),
        podCidr: networksField().optional(),
        mtu: MTU.optional(),
        options: z.record(z.string(), z.unknown()).default({}),
      }),
    ]),
    cnis: z.array(z.union([cniName, z.strictObject({ name: cniName, mode: z.string().optional() })])).optional(),
    providers: z
      .array(z.enum(registries.providers as [string, ...string[]]))
      .min(1)
      .optional(),
    cluster: z
      .strictObject({
        ipFamily: z
          .enum(IP_FAMILIES)
          .default("ipv4")
          .describe("dual: pods, nodes and Services have addresses of both families"),
        serviceCidr: networksField().default("10.96.0.0/12"),
        dnsDomain: z.string().default("cluster.local"),
        ...realClusterFields,
      })
      .prefault({}),
    scenario: z.array(z.strictObject(optionsOf(registries.scenarios))).default([]),
    probes: z.array(probe).default([]),
    tasks: z
      .array(
        z.strictObject({
          name: line(60).optional().describe("Unique; task-1, task-2, … by its place where it is left out"),
          text: z.string().trim().min(1).max(2000),
          bonus: z
            .boolean()
            .optional()
            .describe("Adds points above those of the other tasks, and never makes the lab fail"),
          probes: z.array(z.string()).min(1),
          solution: z.union([z.string(), z.array(z.string()).min(1)]),
          hints: z
            .array(
              z.union([
                hintText,
                z.strictObject({ text: hintText, cost: z.number().min(0).max(1000).default(0).describe("In points") }),
              ]),
            )
            .min(1)
            .optional()
            .describe("Shown one after the other by cnilab hint; their costs are taken off the task's points"),
        }),
      )
      .default([]),
  });
}

/** What a lab file says, defaults filled in. */
export type LabInput = z.output<ReturnType<typeof labSchema>>;
