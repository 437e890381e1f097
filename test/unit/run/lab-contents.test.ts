import { describe, expect, test } from "vitest";
import type { KubeObject, Pod } from "../../../src/kube/types.ts";
import { drawContents } from "../../../src/cli/draw-contents.ts";
import { contentsOf } from "../../../src/run/lab-contents.ts";
import { livePod } from "./reference-plan.ts";

function podWith(name: string, status: Pod["status"]): Pod {
  const pod = livePod(name, "10.0.0.1", {});
  return { ...pod, status: { ...pod.status, ...status } };
}

function service(name: string, spec: object): KubeObject {
  return { apiVersion: "v1", kind: "Service", metadata: { namespace: "shop", name }, spec };
}

function slice(of: string, endpoints: object[]): KubeObject {
  const labels = { "kubernetes.io/service-name": of };
  const metadata = { namespace: "shop", name: `${of}-${endpoints.length}`, labels };
  return { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata, endpoints };
}

const restarting = podWith("b", {
  conditions: [{ type: "Ready", status: "False", reason: "ContainersNotReady", message: "unready: [c]" }],
  containerStatuses: [
    {
      name: "c",
      ready: false,
      restartCount: 1,
      imageID: "",
      image: "i",
      state: { waiting: { reason: "CrashLoopBackOff", message: "port 80\u001b[31m\nis taken" } },
    },
  ],
});

describe("a pod", () => {
  test("that is not ready says why, the container's reason before the pod's", () => {
    expect(contentsOf([restarting]).pods).toMatchObject([
      { name: "b", ready: false, readyContainers: 0, containers: 1, reason: "CrashLoopBackOff", node: "worker1" },
    ]);
  });

  test("without a node says what the scheduler said", () => {
    const scheduled = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "no node" } as const;
    expect(contentsOf([podWith("a", { phase: "Pending", conditions: [scheduled] })]).pods).toMatchObject([
      { phase: "Pending", reason: "Unschedulable", message: "no node" },
    ]);
  });

  test("is drawn with its reason, and its message cannot move the cursor", () => {
    const text = drawContents(contentsOf([restarting]));
    expect(text).toMatch(/^shop\/b +0\/1 +CrashLoopBackOff +worker1 +/m);
    expect(text).toContain("shop/b: port 80\\x1b[31m\\nis taken\n");
  });
});

describe("a Service", () => {
  test("counts each pod that is ready once, whatever the families", () => {
    const one = { addresses: ["10.0.0.1"], conditions: { ready: true }, targetRef: { kind: "Pod", name: "one" } };
    const slices = [
      slice("web", [one, { addresses: ["10.0.0.2"], conditions: { ready: false } }, { addresses: ["10.0.0.3"] }]),
      slice("web", [{ ...one, addresses: ["fd00::1"] }]),
      slice("other", [{ addresses: ["10.0.0.9"] }]),
    ];
    const web = service("web", { clusterIP: "10.96.0.7", type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] });
    expect(contentsOf([...slices, web]).services).toEqual([
      {
        namespace: "shop",
        name: "web",
        type: "NodePort",
        clusterIP: "10.96.0.7",
        ports: ["80:30080/TCP"],
        readyEndpoints: 2,
      },
    ]);
  });

  test("of type ExternalName has no endpoints to count", () => {
    const [line] = contentsOf([service("far", { type: "ExternalName", externalName: "example.org" })]).services;
    expect(line).toEqual({ namespace: "shop", name: "far", type: "ExternalName", ports: [] });
  });
});
