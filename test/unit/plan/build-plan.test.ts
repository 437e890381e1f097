import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cnis as realCnis } from "../../../src/cnis/registry.ts";
import type { Cni } from "../../../src/cnis/types.ts";
import { LabError, LabProblems } from "../../../src/core/errors.ts";
import { loadLab } from "../../../src/lab/load.ts";
import type { Lab } from "../../../src/lab/types.ts";
import { buildPlan, planWarnings } from "../../../src/plan/build-plan.ts";
import { chooseCni, labRuns, refusals, type PlanProvider } from "../../../src/plan/refusals.ts";
import { netns } from "../../../src/providers/netns/provider.ts";
import type { Capabilities } from "../../../src/providers/types.ts";
import { fixtureRegistries } from "../lab/fixture-registries.ts";

const { cnis } = fixtureRegistries;
const ALL: Capabilities = {
  cnis: { calico: ["vxlan", "direct"], flannel: ["vxlan", "direct"] },
  probes: ["tcp", "ping", "matrix"],
  scenarios: ["apply", "wait"],
  features: ["external-host", "several-node-networks", "link-mtu", "node-exec"],
};
const provider = (changes: Partial<Capabilities> = {}): PlanProvider => ({
  kind: "netns",
  capabilities: () => ({ ...ALL, ...changes }),
});

let folder: string;
/** A lab that needs nothing special. */
let plain: Lab;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "cnilab-plan-"));
  await writeFile(
    path.join(folder, "policy.yaml"),
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: deny }\nspec: { podSelector: {} }\n",
  );
  plain = await lab("cni: calico\n");
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function lab(text: string, registries: typeof fixtureRegistries = fixtureRegistries): Promise<Lab> {
  await writeFile(
    path.join(folder, "lab.yaml"),
    `apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: shop, title: A shop }\n${text}`,
  );
  return (await loadLab(folder, registries)).lab;
}

function refusedFor(build: () => unknown): string[] {
  try {
    build();
    return [];
  } catch (error) {
    if (error instanceof LabProblems) return error.problems.map(({ code }) => code);
    if (error instanceof LabError) return [error.code];
    throw error;
  }
}

describe("a lab with a host outside the cluster, on machines", () => {
  const OUTSIDE =
    "cni: calico\nprobes:\n  - { name: out, from: external, ping: { to: node/worker1 }, expect: allowed }\n";
  const span = { file: "rack.yaml", line: 1, column: 1, length: 1, lineText: "" };
  const nodes = ["a", "b", "c"].map((name) => ({ reached: { name, host: name }, labels: {}, span }));
  const inventory = [
    ...nodes,
    { reached: { name: "desk", host: "desk" }, role: "external" as const, labels: {}, span },
  ];
  const machines: PlanProvider = { ...provider(), takesMachines: true };

  test("takes one more, and others leave it alone", async () => {
    const plan = buildPlan(await lab(OUTSIDE), { provider: machines, cnis, inventory });
    expect(plan.external).toEqual({ node: "external", name: "desk", host: "desk" });
    expect(plan.machines?.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(buildPlan(plain, { provider: machines, cnis, inventory })).not.toHaveProperty("external");
  });

  test("is refused without one, with what to add; a plan for any machines asks for none", async () => {
    const outside = await lab(OUTSIDE);
    const build = (given?: typeof nodes | "any"): unknown =>
      buildPlan(outside, { provider: machines, cnis, inventory: given });
    expect(refusedFor(() => build(nodes))).toEqual(["PLAN_NO_EXTERNAL"]);
    expect(() => build(nodes)).toThrow(
      'no machine outside the cluster, and probe "out" uses a host outside the cluster',
    );
    expect(refusedFor(() => build())).toEqual(["PLAN_NO_MACHINES"]);
    expect(build("any")).not.toHaveProperty("external");
  });
});

describe("a dual-stack cluster", () => {
  const dual = (changes: Partial<Capabilities> = {}): PlanProvider =>
    provider({ features: [...ALL.features, "dual-stack"], ...changes });

  test("has networks and addresses of both families, and room for the longer header", async () => {
    const plan = buildPlan(await lab("cni: calico\ncluster: { ipFamily: dual }\n"), { provider: dual(), cnis });
    expect(plan.cni).toMatchObject({ podCidrs: ["192.168.0.0/16", "fd00:10:244::/56"], mtu: 1430 });
    expect(plan.cluster).toMatchObject({
      serviceCidrs: ["10.96.0.0/12", "fd00:10:96::/112"],
      dnsAddress: "10.96.0.10",
    });
    expect(plan.topology.networks).toEqual([
      {
        name: "lan",
        subnets: ["172.30.0.0/24", "fd00:172:30::/64"],
        gateways: ["172.30.0.1", "fd00:172:30::1"],
        mtu: 1500,
      },
    ]);
    expect(plan.topology.nodes[1]?.interfaces[0]).toMatchObject({
      addresses: ["172.30.0.3", "fd00:172:30::3"],
      prefixLengths: [24, 64],
    });
  });

  test("has the networks that the lab writes, one a family", async () => {
    const text =
      'cni: { name: calico, podCidr: [10.50.0.0/16, "fd50::/56"] }\ncluster: { ipFamily: dual, serviceCidr: [10.60.0.0/16, "fd60::/112"] }\n';
    const plan = buildPlan(await lab(text), { provider: dual(), cnis });
    expect(plan.cni.podCidrs).toEqual(["10.50.0.0/16", "fd50::/56"]);
    expect(plan.cluster.serviceCidrs).toEqual(["10.60.0.0/16", "fd60::/112"]);
    const other = buildPlan(await lab(text), { provider: dual(), cnis, cniOverride: { name: "flannel" } });
    expect(other.cni.podCidrs).toEqual(["10.244.0.0/16", "fd00:10:244::/56"]);
  });

  test("is refused by a provider that makes none, and in a mode that has one family", async () => {
    const one = await lab("cni: calico\ncluster: { ipFamily: dual }\n");
    const reasons = (target: PlanProvider, mode?: string): string[] =>
      refusals(one, { provider: target, ...chooseCni(one, cnis, { name: "calico", mode }) }).map(
        ({ code, message }) => `${code}: ${message}`,
      );
    expect(reasons(dual())).toEqual([]);
    expect(reasons(provider())).toEqual([
      "PLAN_PROVIDER_LACKS: provider netns has no dual-stack, and its cluster has IPv4 and IPv6 (cluster.ipFamily)",
    ]);
    expect(reasons(dual(), "direct")).toEqual([
      "PLAN_CNI_SINGLE_STACK: calico in mode direct makes no dual-stack cluster: it routes IPv4 alone",
    ]);
  });
});

describe("a dual-stack cluster with too small an MTU", () => {
  const target = provider({
    features: [...ALL.features, "dual-stack"],
    scenarios: [...ALL.scenarios, "fault"],
    faults: ["mtu"],
  });
  const reasons = async (text: string, ipFamily = "dual"): Promise<string[]> => {
    const one = await lab(`${text}cluster: { ipFamily: ${ipFamily} }\n`, { ...fixtureRegistries, cnis: realCnis });
    return refusals(one, { provider: target, ...chooseCni(one, realCnis, undefined) }).map(
      ({ code, message }) => `${code}: ${message}`,
    );
  };
  const topology = (mtu: number): string =>
    `topology: { networks: { lan: { subnet: 172.30.0.0/24, mtu: ${mtu} } }, nodes: { control-plane: { role: control-plane, networks: [lan] }, worker1: { networks: [lan] } } }\n`;

  test.each([
    [`cni: calico\n${topology(1350)}`, []],
    [
      `cni: calico\n${topology(1349)}`,
      ["PLAN_MTU_BELOW_IPV6: with calico in mode vxlan pods have MTU 1279, and IPv6 needs 1280"],
    ],
    [`cni: { name: calico, mode: direct }\n${topology(1280)}`, []],
    [
      `cni: { name: flannel, mtu: 1200 }\n`,
      ["PLAN_MTU_BELOW_IPV6: with flannel in mode vxlan pods have MTU 1200, and IPv6 needs 1280"],
    ],
    [
      `cni: { name: calico, mode: direct }\n${topology(1000)}`,
      ["control-plane", "worker1"].map(
        (name) => `PLAN_MTU_BELOW_IPV6: the link of ${name} to lan has MTU 1000, and IPv6 needs 1280`,
      ),
    ],
  ])("%j is refused for %j", async (text, expected) => {
    expect(await reasons(text)).toEqual(expected);
  });

  test("is refused where a fault makes it one", async () => {
    const one = await lab("cni: calico\ncluster: { ipFamily: dual }\n", { ...fixtureRegistries, cnis: realCnis });
    const fault = (bytes: number): Lab => ({
      ...one,
      scenario: [{ kind: "fault", options: { kind: "mtu", node: "worker1", interface: "eth0", bytes }, objects: [] }],
    });
    const found = (bytes: number): string[] =>
      refusals(fault(bytes), { provider: target, ...chooseCni(one, realCnis, undefined) }).map(
        ({ message }) => message,
      );
    expect(found(1280)).toEqual([]);
    expect(found(1279)).toEqual(["a fault makes a link's MTU 1279, and IPv6 needs 1280"]);
  });

  test("is none with IPv4 alone", async () => {
    expect(await reasons(`cni: calico\n${topology(1000)}`, "ipv4")).toEqual([]);
  });
});

describe("a CNI's options that the provider cannot make", () => {
  const encrypted = "cni: { name: weave, mode: sleeve, options: { encrypted: true } }\n";
  const load = (text: string): Promise<Lab> => lab(text, { ...fixtureRegistries, cnis: realCnis });
  const messages = (build: () => unknown): string[] => {
    try {
      build();
      return [];
    } catch (error) {
      if (error instanceof LabProblems) return error.problems.map(({ code, message }) => `${code} ${message}`);
      throw error;
    }
  };
  const refusal =
    "PLAN_CNI_OPTION_UNSUPPORTED provider netns cannot make weave:sleeve encrypted=true: the embedded engine has no encryption " +
    "in user space, as sleeve has: mode fastdp encrypts in the kernel, by IPsec ESP";

  test("are refused, whether the lab asks for them or the command line", async () => {
    const own = await load(encrypted);
    expect(messages(() => buildPlan(own, { provider: netns, cnis: realCnis }))).toEqual([refusal]);
    const other = await load("cni: calico\n");
    const cniOverride = { name: "weave", mode: "sleeve" };
    const given = { provider: netns, cnis: realCnis, cniOverride, cniOptions: { encrypted: "true" } };
    expect(messages(() => buildPlan(other, given))).toEqual([refusal]);
    expect(messages(() => buildPlan(other, { ...given, cniOptions: { encrypted: "false" } }))).toEqual([]);
    const able = { ...given, cniOverride: { name: "weave", mode: "fastdp" } };
    expect(messages(() => buildPlan(other, able))).toEqual([]);
  });

  test("are given up by the command line, and are no matter to another CNI", async () => {
    const own = await load(encrypted);
    const options = { provider: netns, cnis: realCnis };
    const cniOverride = { name: "weave", mode: "sleeve" };
    expect(messages(() => buildPlan(own, { ...options, cniOverride, cniOptions: { encrypted: "false" } }))).toEqual([]);
    expect(messages(() => buildPlan(own, { ...options, cniOverride: { name: "calico" } }))).toEqual([]);
  });

  test("show in the list of where a lab runs", async () => {
    const runs = labRuns(await load(encrypted), [netns], Object.values<Cni>(realCnis));
    expect(runs.filter(({ cni }) => cni === "weave").map(({ mode, supported }) => `${mode} ${supported}`)).toEqual([
      "sleeve false",
      "fastdp true",
    ]);
    expect(runs.filter(({ cni, mode }) => cni === "calico" && mode === "vxlan")).toMatchObject([{ supported: true }]);
  });

  test("and the other family is refused, which Weave has not", async () => {
    const dual = await load("cni: weave\ncluster: { ipFamily: dual }\n");
    expect(messages(() => buildPlan(dual, { provider: netns, cnis: realCnis }))).toContain(
      "PLAN_CNI_SINGLE_STACK weave in mode sleeve makes no dual-stack cluster: Weave Net carries IPv4 alone (weaveworks/weave#19)",
    );
  });
});

test("a plan is plain data, and the same each time", async () => {
  const one = await lab(
    "cni: calico\nscenario: [{ apply: policy.yaml }]\nprobes: [{ from: external, ping: { to: node/worker1 }, expect: allowed }]\n",
  );
  const plan = buildPlan(one, { provider: provider(), cnis });
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  expect(JSON.stringify(buildPlan(one, { provider: provider(), cnis }))).toBe(JSON.stringify(plan));
});

describe("the pod MTU", () => {
  test.each([
    ["cni: calico\n", 1450],
    ["cni: { name: calico, mode: direct }\n", 1500],
    ["cni: calico\ntopology: small-mtu\n", 1350],
    ["cni: { name: calico, mtu: 1300 }\n", 1300],
  ])("of %j is %i", async (text, mtu) => {
    expect(buildPlan(await lab(text), { provider: provider(), cnis }).cni.mtu).toBe(mtu);
  });
});

describe("cluster-wide policies", () => {
  const modelling: PlanProvider = { ...provider(), models: "all of it" };

  test("count where the CNI enforces them, in the model or in the release that is installed", async () => {
    const own = await lab("cni: calico\n", { ...fixtureRegistries, cnis: realCnis });
    const planned = (by: PlanProvider, name: string): unknown =>
      buildPlan(own, { provider: by, cnis: realCnis, cniOverride: { name } }).cni.enforcesAdminPolicy;
    expect(planned(modelling, "calico")).toBe(true);
    expect(planned(provider(), "calico")).toBeUndefined();
    expect(planned(modelling, "flannel")).toBeUndefined();
  });

  test("are warned of at their place where it does not", async () => {
    const text =
      "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: { name: guard }\n" +
      "spec: { priority: 1, subject: { namespaces: {} } }\n";
    await writeFile(path.join(folder, "guard.yaml"), text);
    const own = await lab("cni: calico\nscenario: [{ apply: guard.yaml }]\n", { ...fixtureRegistries, cnis: realCnis });
    const warned = (by: PlanProvider, name: string): unknown => {
      const plan = buildPlan(own, { provider: by, cnis: realCnis, cniOverride: { name } });
      return planWarnings(own, plan, realCnis).map(({ code, span }) => [code, span?.line, span?.column]);
    };
    expect(warned(modelling, "calico")).toEqual([]);
    expect(warned(provider(), "calico")).toEqual([["MANIFEST_NOT_ENFORCED", 2, 7]]);
    expect(warned(modelling, "flannel")).toEqual([["MANIFEST_NOT_ENFORCED", 2, 7]]);
  });
});

describe("another CNI", () => {
  test("gets its own pod network, mode and MTU", async () => {
    const own = await lab("cni: { name: calico, mode: direct, podCidr: 10.50.0.0/16, mtu: 1300, options: { a: 1 } }\n");
    const { cni } = buildPlan(own, { provider: provider(), cnis, cniOverride: { name: "flannel" } });
    expect(cni).toEqual({
      name: "flannel",
      mode: "vxlan",
      podCidrs: ["10.244.0.0/16"],
      mtu: 1450,
      enforcesPolicy: false,
      options: {},
    });
  });

  test("takes options from the command line, on top of the lab's own where it is the lab's CNI", async () => {
    const own = await lab("cni: { name: calico, options: { a: 1 } }\n");
    const optionsOf = (name: string, cniOptions: Record<string, string>): unknown =>
      buildPlan(own, { provider: provider(), cnis, cniOverride: { name }, cniOptions }).cni.options;
    expect(optionsOf("calico", {})).toEqual({ a: 1 });
    expect(optionsOf("calico", { a: "2" })).toEqual({ a: 2 });
    expect(optionsOf("flannel", { a: "2" })).toEqual({ a: 2 });
    expect(refusedFor(() => optionsOf("calico", { a: "text", b: "1" }))).toEqual(Array(2).fill("USAGE_CNI_OPTION"));
  });

  test("must be named for its options to count", () => {
    expect(refusedFor(() => buildPlan(plain, { provider: provider(), cnis, cniOptions: { a: "1" } }))).toEqual([
      "USAGE_CNI_OPTION",
    ]);
  });

  test("must enforce policy where the lab needs it, unless the lab claims it all the same", async () => {
    const options = { provider: provider(), cnis, cniOverride: { name: "flannel" } };
    expect(refusedFor(() => buildPlan(plain, options))).toEqual([]);
    const needing = await lab("cni: calico\nscenario: [{ apply: policy.yaml }]\n");
    expect(refusedFor(() => buildPlan(needing, options))).toEqual(["PLAN_CNI_NO_POLICY"]);
    const claiming = await lab("cni: calico\ncnis: [flannel]\nscenario: [{ apply: policy.yaml }]\n");
    const plan = buildPlan(claiming, options);
    expect(planWarnings(claiming, plan, cnis).map(({ code }) => code)).toEqual(["LAB_POLICY_NOT_ENFORCED"]);
  });

  test("must be one of those that the lab claims, in a mode that it claims", async () => {
    const one = await lab("cni: { name: calico, mode: vxlan }\ncnis: [{ name: calico, mode: direct }]\n");
    const override = (name: string, mode?: string): string[] =>
      refusedFor(() => buildPlan(one, { provider: provider(), cnis, cniOverride: { name, mode } }));
    expect(override("calico", "direct")).toEqual([]);
    expect(override("flannel")).toEqual(["PLAN_CNI_NOT_CLAIMED"]);
    expect(override("flanel")).toEqual(["PLAN_UNKNOWN_CNI"]);
    expect(override("calico", "ipip")).toEqual(["PLAN_UNKNOWN_CNI_MODE"]);
  });

  test("is refused with what the lab claims, each once", async () => {
    const hintOf = async (claims: string): Promise<unknown> => {
      const one = await lab(`cni: { name: calico, mode: vxlan }\ncnis: ${claims}\n`);
      const [refusal] = refusals(one, { provider: provider(), ...chooseCni(one, cnis, { name: "flannel" }) });
      return refusal?.hint;
    };
    expect(await hintOf("[calico]")).toBe("it claims: calico");
    expect(await hintOf("[{ name: calico, mode: direct }, { name: calico, mode: vxlan }]")).toBe(
      "it claims: calico:vxlan, calico:direct",
    );
  });

  test("whose default pod network overlaps the lab's networks is refused", async () => {
    const one = await lab("cni: calico\ncluster: { serviceCidr: 10.240.0.0/12 }\n");
    expect(refusedFor(() => buildPlan(one, { provider: provider(), cnis, cniOverride: { name: "flannel" } }))).toEqual([
      "PLAN_NETWORK_OVERLAP",
    ]);
  });
});

describe("a provider that cannot do it is refused with every reason at once", () => {
  test("what it lacks", async () => {
    const demanding = await lab(`cni: { name: calico, mode: direct }
topology: two-subnets
scenario: [{ apply: policy.yaml }]
probes:
  - { from: external, ping: { to: node/worker1 }, expect: allowed }
  - { from: node/worker1, tcp: { to: external, port: 1 }, expect: allowed }
`);
    const poor = provider({
      cnis: { calico: ["vxlan"] },
      probes: ["tcp"],
      probesLack: { ping: "nobody answers" },
      scenarios: [],
      features: ["link-mtu"],
    });
    let problems: readonly LabError[] = [];
    try {
      buildPlan(demanding, { provider: poor, cnis });
    } catch (error) {
      problems = (error as LabProblems).problems;
    }
    expect(problems.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "PLAN_CNI_MODE_UNSUPPORTED provider netns cannot make calico in mode direct",
      "PLAN_PROVIDER_LACKS provider netns has no probe ping: nobody answers",
      "PLAN_PROVIDER_LACKS provider netns has no scenario step apply",
      "PLAN_PROVIDER_LACKS provider netns has no several-node-networks, and its nodes are in 2 networks",
      `PLAN_PROVIDER_LACKS provider netns has no external-host, and probe "ping node/worker1 from external" uses a host outside the cluster`,
      `PLAN_PROVIDER_LACKS provider netns has no node-exec, and probe "tcp external 1 from node/worker1" starts on a node`,
    ]);
  });

  test.each([
    ["topology: small-mtu\n", "link-mtu"],
    ["probes: [{ from: node/worker1, ping: { to: node/worker2 }, expect: allowed }]\n", "node-exec"],
    ["probes: [{ matrix: { pods: a/*, ports: [1], external: true }, expect: allowed }]\n", "external-host"],
  ])("%j needs %s", async (text, feature) => {
    const without = provider({ features: ALL.features.filter((one) => one !== feature) });
    expect(refusedFor(() => buildPlan(plain, { provider: without, cnis }))).toEqual([]);
    const one = await lab(`cni: calico\n${text}`);
    expect(refusedFor(() => buildPlan(one, { provider: without, cnis }))).toEqual(["PLAN_PROVIDER_LACKS"]);
    expect(refusedFor(() => buildPlan(one, { provider: provider(), cnis }))).toEqual([]);
  });

  test("SCTP, which nothing sends, where a probe asks for it", async () => {
    const one = await lab(
      "cni: calico\nprobes:\n  - { matrix: { pods: a/*, ports: [80] }, expect: policy }\n" +
        "  - { name: peers, matrix: { pods: a/*, ports: [80, 3868/sctp] }, expect: policy }\n",
    );
    expect(refusals(one, { provider: provider(), cni: cnis["calico"] as Cni, mode: "vxlan" })).toMatchObject([
      {
        code: "PLAN_NO_SCTP",
        message: 'probe "peers" asks for SCTP, and there is no prober that sends it',
        hint: expect.stringContaining("cnilab explain"),
        span: { line: 7, column: 20 },
      },
    ]);
  });

  test("a provider that the lab does not claim", async () => {
    const one = await lab("cni: calico\nproviders: [kind]\n");
    expect(refusedFor(() => buildPlan(one, { provider: provider(), cnis }))).toEqual(["PLAN_PROVIDER_NOT_CLAIMED"]);
  });
});

test("the runs of a lab are every combination, with the reason that the plan would give", async () => {
  const one = await lab("cni: calico\nscenario: [{ apply: policy.yaml }]\n");
  const reason = "lab shop needs NetworkPolicy, which flannel does not enforce";
  expect(labRuns(one, [provider()], Object.values(cnis))).toEqual([
    { provider: "netns", cni: "calico", mode: "vxlan", supported: true },
    { provider: "netns", cni: "calico", mode: "direct", supported: true },
    { provider: "netns", cni: "flannel", mode: "vxlan", supported: false, reason },
    { provider: "netns", cni: "flannel", mode: "direct", supported: false, reason },
  ]);
});
