import { expect, test } from "vitest";
import type { Plan } from "../../../../../src/plan/types.ts";
import { portsOf, portsReachedBy, preflightNeeds } from "../../../../../src/providers/ssh/preflight/needs.ts";
import { planOn } from "../../kind/plan.ts";
import { needs } from "./measured.ts";

test("what a lab asks of its machines comes from its CNI's mode", () => {
  expect(preflightNeeds(planOn("two-workers"), { kubernetes: "1.34.4" })).toEqual(needs);
  const cni = { name: "weave", mode: "fastdp", podCidrs: ["10.32.0.0/12"], mtu: 1376, enforcesPolicy: true };
  const weave = planOn("two-workers", { cni: { ...cni, options: { encrypted: true } } });
  expect(preflightNeeds(weave, { kubernetes: "1.35.0", force: "before" })).toMatchObject({
    cni: "weave in mode fastdp",
    kernel: ["openvswitch", "vxlan", "esp"],
    packetBytes: 1500,
    kubernetes: [1, 35],
    force: "before",
  });
});

test("faults that shape links ask for what they are made with", () => {
  const step = (kind: string, fault: string): Plan["scenario"][number] => ({
    kind,
    objects: [],
    options: { kind: fault, node: "worker1", interface: "eth0" },
  });
  const shapers = (...scenario: Plan["scenario"]): readonly string[] =>
    preflightNeeds({ ...planOn("two-workers"), scenario }, { kubernetes: "1.34.4" }).shapers;
  expect(shapers(step("fault", "loss"), step("fault", "delay"))).toEqual(["netem"]);
  expect(shapers(step("fault", "rateLimit"), step("fault", "delay"))).toEqual(["netem", "tbf"]);
  expect(shapers(step("fault", "linkDown"), step("restore", "delay"))).toEqual([]);
});

test("a control plane listens on more, and etcd is reached by control planes alone", () => {
  const numbers = (ports: readonly { port: number }[]): number[] => ports.map(({ port }) => port);
  expect(numbers(portsOf("worker", needs))).toEqual([10250, 10256, 4789]);
  expect(numbers(portsOf("control-plane", needs))).toEqual([6443, 2379, 2380, 10257, 10259, 10250, 10256, 4789]);
  expect(numbers(portsReachedBy("worker", "control-plane", needs))).toEqual([6443, 10250, 4789]);
  expect(numbers(portsReachedBy("control-plane", "control-plane", needs))).toEqual([6443, 2379, 2380, 10250, 4789]);
  expect(numbers(portsReachedBy("control-plane", "worker", needs))).toEqual([10250, 4789]);
});

test("the host outside the cluster serves one port, and what it is to reach the lab decides later", () => {
  const web = [
    expect.objectContaining({ protocol: "tcp", port: 80 }),
    expect.objectContaining({ protocol: "udp", port: 80 }),
  ];
  expect(portsOf("external", needs)).toEqual(web);
  expect(portsReachedBy("worker", "external", needs)).toEqual(web);
  expect(portsReachedBy("external", "control-plane", needs)).toEqual([]);
});
