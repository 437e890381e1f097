import { expect, it } from "vitest";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OraclePod } from "../../../src/policy/types.ts";

it("takes no more work a cell in a world ten times as large", () => {
  // The same process does both, so that what it measures is not the machine.
  const small = Math.min(...[1, 2, 3].map(() => judgeAll(30).msACell));
  const large = judgeAll(300);
  expect(large.allowed).toBeGreaterThan(0);
  expect(large.msACell / small).toBeLessThan(5);
});

/** Judges every pair of so many pods on three ports under fifty policies. */
function judgeAll(count: number): { allowed: number; msACell: number } {
  const pods: OraclePod[] = Array.from({ length: count }, (_, index) => ({
    namespace: `ns${index % 10}`,
    name: `p${index}`,
    labels: { app: `a${index % 30}`, id: `${index}` },
    addresses: [`10.1.${index >> 8}.${index & 255}`],
    ports: [{ name: "web", containerPort: 80, protocol: "TCP" }],
  }));
  const policies = Array.from({ length: 50 }, (_, index) => ({
    policy: {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy" as const,
      metadata: { name: `np${index}`, namespace: `ns${index % 10}` },
      spec: {
        podSelector: index % 2 === 1 ? {} : { matchLabels: { app: `a${index % 30}` } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: `a${(index * 7) % 30}` } } }], ports: [{ port: "web" }] },
        ],
        egress: [{ to: [{ namespaceSelector: {} }, { ipBlock: { cidr: "10.1.0.0/25" } }], ports: [{ port: 80 }] }],
      },
    },
  }));
  const started = performance.now();
  const oracle = createOracle({ namespaces: [], pods, policies });
  const ends = pods.map(({ namespace, name }): OracleEnd => ({ kind: "pod", namespace, name }));
  const ports = [80, 53, 8080];
  let allowed = 0;
  for (const port of ports) {
    for (const from of ends)
      for (const to of ends) if (oracle.verdict({ from, to, port, protocol: "TCP" }).allowed) allowed++;
  }
  return { allowed, msACell: (performance.now() - started) / (ports.length * count ** 2) };
}
