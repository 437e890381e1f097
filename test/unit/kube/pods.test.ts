import { describe, expect, it } from "vitest";
import {
  declaredPorts,
  isHostNetwork,
  isPodReady,
  isPodTerminal,
  podAddresses,
  resolveNamedPort,
  resolveTargetPort,
} from "../../../src/kube/pods.ts";
import type { Pod, PodSpec, PodStatus } from "../../../src/kube/types.ts";

function pod(status: PodStatus, spec: Partial<PodSpec> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p" },
    spec: { containers: [], ...spec },
    status,
  };
}

const spec: PodSpec = {
  containers: [
    {
      name: "a",
      image: "i",
      ports: [
        { name: "web", containerPort: 8080 },
        { name: "dns", containerPort: 53, protocol: "UDP" },
      ],
    },
    { name: "b", image: "i", ports: [{ name: "web", containerPort: 8081, protocol: "TCP" }] },
  ],
  initContainers: [
    { name: "setup", image: "i", ports: [{ name: "setup", containerPort: 1 }] },
    {
      name: "proxy",
      image: "i",
      restartPolicy: "Always",
      ports: [{ name: "proxy", containerPort: 15001 }],
    },
  ],
};

describe("pod state", () => {
  it("is ready only by a Ready condition that is True", () => {
    expect(isPodReady(pod({ conditions: [{ type: "Ready", status: "True" }] }))).toBe(true);
    expect(isPodReady(pod({ conditions: [{ type: "Ready", status: "Unknown" }] }))).toBe(false);
    expect(isPodReady(pod({ conditions: [{ type: "Initialized", status: "True" }] }))).toBe(false);
    expect(isPodReady(pod({ phase: "Running" }))).toBe(false);
  });

  it("has ended when it succeeded or failed", () => {
    expect(
      (["Pending", "Running", "Succeeded", "Failed"] as const).map((phase) => isPodTerminal(pod({ phase }))),
    ).toEqual([false, false, true, true]);
  });

  it("gives addresses from podIPs, else podIP, else none", () => {
    expect(podAddresses(pod({ podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] }))).toEqual([
      "10.0.0.1",
      "fd00::1",
    ]);
    expect(podAddresses(pod({ podIP: "10.0.0.1" }))).toEqual(["10.0.0.1"]);
    expect(podAddresses(pod({ podIP: "" }))).toEqual([]);
    expect(podAddresses(pod({}))).toEqual([]);
  });

  it("knows host network", () => {
    expect(isHostNetwork(pod({}, { hostNetwork: true }))).toBe(true);
    expect(isHostNetwork(pod({}))).toBe(false);
  });
});

describe("declared ports", () => {
  it("default to TCP and include sidecars but not plain init containers", () => {
    expect(
      declaredPorts(spec).map(({ name, containerPort, protocol }) => `${name}:${containerPort}/${protocol}`),
    ).toEqual(["web:8080/TCP", "dns:53/UDP", "web:8081/TCP", "proxy:15001/TCP"]);
  });

  it("resolve by name and protocol", () => {
    expect(resolveNamedPort(spec, "web", "TCP")).toEqual([8080, 8081]);
    expect(resolveNamedPort(spec, "dns", "TCP")).toEqual([]);
    expect(resolveNamedPort(spec, "dns", "UDP")).toEqual([53]);
  });

  it("give a Service's targetPort the first match, or a number as it is", () => {
    expect(resolveTargetPort(spec, "web", "TCP")).toBe(8080);
    expect(resolveTargetPort(spec, "web", "UDP")).toBeUndefined();
    expect(resolveTargetPort(spec, 9, "UDP")).toBe(9);
  });
});
