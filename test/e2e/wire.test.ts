import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";

const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";

function pod(name: string, nodeName: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "t", labels: { app: name } },
    spec: {
      nodeName,
      containers: [{ name: "c", image: agnhost, args: ["netexec"], ports: [{ containerPort: 8080 }] }],
    },
  };
}

const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "t" } },
  pod("left", "worker1"),
  pod("right", "worker2"),
  pod("pair", "worker1"),
  pod("walled", "worker2"),
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "t" },
    spec: {
      type: "NodePort",
      selector: { app: "right" },
      ports: [{ name: "http", port: 80, targetPort: 8080, nodePort: 30080 }],
    },
  },
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "wall", namespace: "t" },
    spec: { podSelector: { matchLabels: { app: "walled" } }, policyTypes: ["Ingress"] },
  },
];

interface Seen {
  name: string;
  verdict: string;
  cells: {
    reason: string;
    observation?: { outcome: string; measured?: Record<string, unknown>; evidence: { text: string }[] };
  }[];
}

const left = "t/pod/left";
const right = "t/pod/right";

describe("what is seen on the wire", () => {
  let cnilab: Cnilab;
  let folder: string;

  beforeAll(() => {
    cnilab = new Cnilab({ timeoutMs: 110_000 });
    folder = mkdtempSync(join(tmpdir(), "cnilab-wire-"));
    writeFileSync(join(folder, "objects.yaml"), objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  });

  afterAll(async () => {
    await cnilab.remove();
    rmSync(folder, { recursive: true });
  });

  const run = async (cni: object, probes: Record<string, object>, steps: object[] = []): Promise<Map<string, Seen>> => {
    const lab = {
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name: "wire", title: "captures" },
      topology: "two-workers",
      cni,
      scenario: [
        { apply: "objects.yaml" },
        ...["left", "right", "pair", "walled"].map((name) => ({
          wait: { for: `pod/${name}`, namespace: "t", condition: "ready", timeout: "30s" },
        })),
        ...steps,
      ],
      probes: Object.entries(probes).map(([name, probe]) => ({ name, ...probe })),
    };
    writeFileSync(join(folder, "lab.yaml"), JSON.stringify(lab));
    const { stdout, stderr } = await cnilab.run("run", folder, "-q", "-o", "json");
    const report = (stdout === "" ? undefined : JSON.parse(stdout)) as { probes: Seen[] } | undefined;
    if (report === undefined) throw new Error(stderr);
    return new Map(report.probes.map((probe) => [probe.name, probe]));
  };

  const verdicts = (seen: Map<string, Seen>): Record<string, string> =>
    Object.fromEntries(
      [...seen].map(([name, { verdict, cells }]) => [
        name,
        verdict === "pass" ? "pass" : `${verdict}: ${cells[0]?.reason}`,
      ]),
    );

  const passing = (probes: Record<string, object>): Record<string, string> =>
    Object.fromEntries(Object.keys(probes).map((name) => [name, "pass"]));

  test("an overlay, what leaves the cluster, and what it leaves of the MTU", async () => {
    const probes = {
      "SYN in VXLAN": {
        from: left,
        path: { to: right, port: 8080 },
        expect: { encapsulation: "vxlan", hops: 2, sourceAddress: "kept", via: ["worker1", "worker2"] },
      },
      "echo request in VXLAN": { from: left, path: { to: right }, expect: { encapsulation: "vxlan", hops: 2 } },
      "datagram in VXLAN": {
        from: left,
        path: { to: right, port: 8081, protocol: "udp" },
        expect: { encapsulation: "vxlan", sourceAddress: "kept" },
      },
      "the bridge of one node": {
        from: left,
        path: { to: "t/pod/pair", port: 8080 },
        expect: { encapsulation: "none", hops: 0, via: ["worker1"] },
      },
      "a Service": {
        from: left,
        path: { to: "t/service/web", port: 80 },
        expect: { encapsulation: "vxlan", sourceAddress: "kept" },
      },
      "out of the cluster": {
        from: left,
        path: { to: "external" },
        expect: { sourceAddress: "rewritten", via: ["worker1"] },
      },
      "a node port of the other node": {
        from: "external",
        path: { to: "node/worker1", port: 30080 },
        expect: { sourceAddress: "rewritten", encapsulation: "vxlan", via: ["worker1", "worker2"] },
      },
      "room in the overlay": { from: left, mtu: { to: right }, expect: { largest: 1450, refusedBy: "source" } },
      "room between nodes": { from: "node/worker1", mtu: { to: "node/worker2" }, expect: { largest: 1500 } },
      "echo in the clear": { from: left, plaintext: { to: right }, expect: { visible: true } },
      "HTTP in the clear": { from: left, plaintext: { to: right, port: 8080 }, expect: { visible: true } },
    };
    expect(verdicts(await run({ name: "flannel", mode: "vxlan" }, probes))).toEqual(passing(probes));
  });

  test("every type of record that cluster DNS has, with its time", async () => {
    const time = "< 5 s";
    const probes = {
      TXT: { from: left, dns: { name: "dns-version.cluster.local.", type: "TXT" }, expect: { text: "1.1.0", time } },
      SOA: {
        from: left,
        dns: { name: "cluster.local.", type: "SOA" },
        expect: { target: "ns.dns.cluster.local", records: 1, time },
      },
      A: { from: left, dns: { name: "web" }, expect: { address: "service/web", time } },
      "AAAA of an IPv4 Service": {
        from: left,
        dns: { name: "web", type: "AAAA" },
        expect: { rcode: "NOERROR", records: 0, time },
      },
      SRV: {
        from: left,
        dns: { name: "_http._tcp.web", type: "SRV" },
        expect: { port: 80, target: "web.t.svc.cluster.local", time },
      },
    };
    expect(verdicts(await run({ name: "flannel", mode: "vxlan" }, probes))).toEqual(passing(probes));
  });

  test("direct routes; a short link that says so, and the same as a black hole from behind", async () => {
    const probes = {
      "a plain packet": { from: left, path: { to: right, port: 8080 }, expect: { encapsulation: "none", hops: 2 } },
      "the node refuses": { from: left, mtu: { to: right }, expect: { largest: 1400, refusedBy: "node/worker1" } },
      // The kernel has learnt the path's MTU by now.
      "and refuses again": { from: left, mtu: { to: right }, expect: { largest: 1400, refusedBy: "node/worker1" } },
      // A veth takes in the four bytes of a VLAN tag more than its MTU, and drops the rest without a word.
      "nobody refuses": { from: right, mtu: { to: left }, expect: { largest: 1404, refusedBy: "nobody" } },
      "the bridge is long enough": {
        from: left,
        mtu: { to: "t/pod/pair" },
        expect: { largest: 1500, refusedBy: "source" },
      },
    };
    const short = { exec: { in: "node/worker1", command: ["ip", "link", "set", "eth0", "mtu", "1400"] } };
    expect(verdicts(await run({ name: "flannel", mode: "host-gw" }, probes, [short]))).toEqual(passing(probes));
  });

  test("a flow that is lost has no figures, and one that cannot be followed no verdict", async () => {
    const seen = await run(
      { name: "calico", mode: "vxlan" },
      {
        "a routed pair of one node": {
          from: left,
          path: { to: "t/pod/pair", port: 8080 },
          expect: { hops: 1, encapsulation: "none" },
        },
        "dropped on the way": { from: left, path: { to: "t/pod/walled", port: 8080 }, expect: { hops: 2 } },
        "not received": { from: left, plaintext: { to: "t/pod/walled", port: 8080 }, expect: { visible: false } },
        "on one node": { from: left, plaintext: { to: "t/pod/pair" }, expect: { visible: false } },
        "nobody's address": { from: left, path: { to: "172.30.0.250" }, expect: { hops: 2 } },
        "too few hops": { from: left, path: { to: right, port: 8080 }, expect: { hops: 1 } },
      },
    );
    expect(verdicts(seen)).toEqual({
      "a routed pair of one node": "pass",
      "dropped on the way": expect.stringMatching(
        /^fail: expected figures, observed dropped: SYN dropped by ingress policy on worker2/,
      ) as string,
      "not received": expect.stringMatching(/^inconclusive: .*PLAINTEXT_NOT_RECEIVED/) as string,
      "on one node": expect.stringMatching(/^inconclusive: .*PLAINTEXT_SAME_NODE/) as string,
      "nobody's address": expect.stringMatching(/^inconclusive: .*PATH_NO_END/) as string,
      "too few hops": "fail: expected hops 1, observed 2",
    });
    const lost = seen.get("dropped on the way")?.cells[0]?.observation?.evidence.map(({ text }) => text) ?? [];
    expect(lost.some((text) => text.startsWith("  worker2: in at "))).toBe(true);
    expect(lost).toContain("it is not seen to arrive");
  });
});
