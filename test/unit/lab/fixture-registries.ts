import { z } from "zod";
import {
  boundField,
  durationField,
  endpointField,
  podPatternField,
  portField,
  protocolPortField,
} from "../../../src/lab/fields.ts";
import type { LabRegistries } from "../../../src/lab/registries.ts";
import type { Cni } from "../../../src/cnis/types.ts";
import { defineProbe } from "../../../src/probes/types.ts";
import { defineScenario } from "../../../src/scenarios/types.ts";
import type { EndpointRef } from "../../../src/plan/types.ts";

async function neverRun(): Promise<never> {
  throw new Error("a kind of the fixture registries was run");
}

const connect = z.strictObject({ to: endpointField(), port: portField() });
const tcp = defineProbe<z.output<typeof connect>>({
  kind: "tcp",
  summary: "opens a connection",
  options: connect,
  tools: [],
  references: ({ to }) => [to],
  run: neverRun,
});

const pingOptions = z.strictObject({ to: endpointField(), count: z.int().min(1).max(100).default(3) });
const ping = defineProbe<z.output<typeof pingOptions>>({
  kind: "ping",
  summary: "sends echo requests",
  options: pingOptions,
  expect: z.strictObject({ loss: boundField("share").optional(), rtt: boundField("time").optional() }),
  tools: ["ping"],
  references: ({ to }) => [to],
  run: neverRun,
});

const matrixOptions = z.strictObject({
  pods: podPatternField(),
  from: podPatternField().optional(),
  ports: z.array(protocolPortField()).min(1),
  external: z.boolean().optional(),
});
const matrix = defineProbe<z.output<typeof matrixOptions>>({
  kind: "matrix",
  summary: "tries every pair",
  options: matrixOptions,
  source: "none",
  tools: [],
  references: () => [],
  run: neverRun,
});

const apply = defineScenario<string>({
  kind: "apply",
  summary: "applies a manifest",
  options: z.string(),
  manifests: (file) => [file],
  references: () => [],
  run: neverRun,
});

const waitOptions = z.strictObject({
  for: z.string(),
  namespace: z.string(),
  timeout: durationField().default(30_000),
});
const wait = defineScenario<z.output<typeof waitOptions>>({
  kind: "wait",
  summary: "waits",
  options: waitOptions,
  manifests: () => [],
  references: ({ for: target, namespace }): EndpointRef[] => {
    const [kind, name] = target.split("/");
    return kind === "deployment" && name !== undefined
      ? [{ kind: "workload", workload: "deployment", namespace, name }]
      : [];
  },
  run: neverRun,
});

const cni = (name: string, enforcesPolicy: boolean, defaultPodCidr: string): Cni => ({
  name,
  summary: name,
  version: "v1",
  defaultPodCidr,
  enforcesPolicy,
  enforcesAdminPolicy: false,
  defaultMode: "vxlan",
  modes: [
    { name: "vxlan", summary: "encapsulated", overheadBytes: 50, dualStack: { overheadBytes: 70 } },
    { name: "direct", summary: "routed", overheadBytes: 0, dualStack: { lacking: "it routes IPv4 alone" } },
  ],
  dataplane: undefined,
  options: z.strictObject({ a: z.int().optional() }),
  install: {
    version: "v1",
    enforcesAdminPolicy: false,
    modes: {},
    agent: { namespace: "kube-system", daemonSet: name },
    plugins: [],
    patch: () => {
      throw new Error("a CNI of the fixture registries was installed");
    },
  },
});

/** Small kinds that only parse, so that tests of the file format do not move with the real kinds. */
export const fixtureRegistries: LabRegistries = {
  probes: { tcp, ping, matrix },
  scenarios: { apply, wait },
  cnis: { calico: cni("calico", true, "192.168.0.0/16"), flannel: cni("flannel", false, "10.244.0.0/16") },
  providers: ["netns", "kind"],
};
