import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab, repository } from "./cnilab.ts";

interface Observation {
  outcome: string;
  measured?: Record<string, number | string>;
}

interface Report {
  probes: { name: string; verdict: string; cells: { observation?: Observation }[] }[];
}

const tlsFile = (name: string): string => readFileSync(join(repository, "test/fixtures/tls", name), "utf8");
const base64 = (text: string): string => Buffer.from(text).toString("base64");

const SECURE = `, "--tls-cert-file=/tls/tls.crt", "--tls-private-key-file=/tls/tls.key"], volumeMounts: [{ name: tls, mountPath: /tls }] }]
  volumes: [{ name: tls, secret: { secretName: web-tls } }]`;

const pod = (name: string, node: string, rest = "] }]"): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop }
spec:
  nodeName: ${node}
  containers: [{ name: c, image: "registry.k8s.io/e2e-test-images/agnhost:2.53", args: [netexec, --http-port=8080${rest}
`;

const MANIFEST = [
  "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n",
  `apiVersion: v1
kind: Secret
metadata: { name: web-tls, namespace: shop }
type: kubernetes.io/tls
data: { tls.crt: ${base64(tlsFile("kubernetes.crt"))}, tls.key: ${base64(tlsFile("kubernetes.key"))} }
`,
  `apiVersion: v1
kind: ConfigMap
metadata: { name: another-authority, namespace: shop }
data: { ca.crt: ${JSON.stringify(tlsFile("other.crt"))} }
`,
  pod("left", "worker1"),
  pod("near", "control-plane"),
  pod("far", "worker2"),
  pod("secure", "control-plane", SECURE),
].join("---\n");

/* 80 datagrams are fewer than a socket's buffer holds, so that none is lost however late the receiver is run. */
const CLEAN = "protocol: udp, size: 500, bitrate: 320 kbit/s, time: 1s";
/* Of 1000, with 2 % lost each for itself: fewer than 2 in one run of 25 million. The upper bound leaves room for a receiver that is late. */
const LOSSY = "protocol: udp, size: 160, bitrate: 1.28 Mbit/s, time: 1s";
const secure = "to: shop/pod/secure, port: 8080, scheme: https, host: kubernetes, path: /hostname";

const LAB = `apiVersion: cnilab.dev/v1alpha1
kind: Lab
metadata: { name: loss-and-trust, title: Lost datagrams and certificates }
cni: calico
scenario:
  - apply: all.yaml
${["left", "near", "far", "secure"].map((name) => `  - wait: { for: pod/${name}, namespace: shop }\n`).join("")}  - fault: { loss: node/worker2, percent: 2 }
probes:
  - { name: clean, from: shop/pod/left, iperf: { to: shop/pod/near, ${CLEAN} }, expect: { loss: "<= 0 %", bandwidth: ">= 200 kbit/s" } }
  - { name: lossy, from: shop/pod/left, iperf: { to: shop/pod/far, ${LOSSY} }, expect: { loss: "<= 0 %" } }
  - { name: right authority, from: shop/pod/left, curl: { ${secure}, cacert: shop/secret/web-tls }, expect: { tls: trusted, status: 200, body: secure } }
  - { name: wrong authority, from: shop/pod/left, curl: { ${secure}, cacert: shop/configmap/another-authority }, expect: { tls: untrusted } }
  - { name: refused for it, from: shop/pod/left, curl: { ${secure}, cacert: shop/configmap/another-authority }, expect: rejected }
`;

describe("real tools on real links", () => {
  let folder: string;
  const cnilab = new Cnilab();
  const seen = new Map<string, { verdict: string } & Observation>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "cnilab-tools-"));
    writeFileSync(join(folder, "lab.yaml"), LAB);
    writeFileSync(join(folder, "all.yaml"), MANIFEST);
    const { stdout, stderr } = await cnilab.run("run", folder, "-o", "json");
    expect(stdout, stderr).not.toBe("");
    for (const { name, verdict, cells } of (JSON.parse(stdout) as Report).probes) {
      const observation = cells[0]?.observation ?? { outcome: "nothing" };
      seen.set(name, { verdict, ...observation });
    }
  });

  afterAll(async () => {
    await cnilab.remove();
    rmSync(folder, { recursive: true });
  });

  test("iperf of datagrams counts none as lost where none is", () => {
    expect(seen.get("clean")).toMatchObject({
      verdict: "pass",
      outcome: "allowed",
      measured: { protocol: "udp", lost: 0, loss: 0 },
    });
    // All of 80, but for the last 100 ms of them, which are not counted.
    expect(seen.get("clean")?.measured?.["sent"]).toBeGreaterThanOrEqual(60);
  });

  test("and what a link with loss has lost", () => {
    const { verdict, outcome, measured } = seen.get("lossy") ?? {};
    expect([verdict, outcome]).toEqual(["fail", "allowed"]);
    expect(measured?.["sent"]).toBeGreaterThan(800);
    expect(measured?.["lost"]).toBeGreaterThanOrEqual(2);
    expect(measured?.["loss"]).toBeLessThan(0.2);
    expect(measured?.["loss"]).toBeCloseTo(Number(measured?.["lost"]) / Number(measured?.["sent"]), 6);
  });

  test("curl trusts a server by the lab's own authority, and refuses it by another", () => {
    expect(seen.get("right authority")).toMatchObject({
      verdict: "pass",
      outcome: "allowed",
      measured: { tls: "trusted" },
    });
    expect(seen.get("wrong authority")).toMatchObject({
      verdict: "pass",
      outcome: "rejected",
      measured: { tls: "untrusted" },
    });
    expect(seen.get("refused for it")).toMatchObject({ verdict: "pass", outcome: "rejected" });
  });
});
