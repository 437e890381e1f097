import { describe, expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  churn: { before: Record<string, number>; after: Record<string, number> };
  refused: Record<"before" | "settled" | "after" | "whileOwned" | "afterOwned" | "last" | "stderr", string> & {
    deleted: number;
  };
  udp: string[];
  learnt: { outcomes: string[]; learnt: string[] };
  services: { sameNode: string; hairpin: string };
  full: { filled: string; proven: Cell; unproven: Cell };
  exec: {
    many: boolean;
    flood: { length: number; end: string; rssGrowth: number };
    deaf: { timedOut: boolean; durationMs: number };
    abortedMs: number;
    cat: string;
    processes: string[];
    descriptors: number;
  };
  twoOnOnePort: string;
}

interface Cell {
  outcome: string;
  latencyMs: number;
  proof?: object;
}

async function see<Name extends keyof Seen>(cni: string, ...names: Name[]): Promise<Pick<Seen, Name>> {
  return (await inNamespace("faults.ts", cni, ...names)) as Pick<Seen, Name>;
}

describe.each(["calico", "flannel", "weave"])("on %s", (cni) => {
  test("pods that come and go leave no descriptor, link, neighbour or address behind", async () => {
    const { churn } = await see(cni, "churn");
    expect(churn.before["pods"]).toBe(2);
    // A bridge's entry for an address stays, for its next pod to replace.
    if (cni === "calico") expect(churn.after).toEqual(churn.before);
    else expect(withoutNeighbours(churn.after)).toEqual(withoutNeighbours(churn.before));
  });

  test("a Service reaches an endpoint on the client's node, and its own client", async () => {
    expect((await see(cni, "services")).services).toEqual({ sameNode: "answered", hairpin: "answered" });
  });

  test("pods and nodes talk to all pods without an entry in the ARP table that all namespaces share", async () => {
    expect((await see(cni, "learnt")).learnt).toEqual({ outcomes: ["answered"], learnt: [] });
  });

  test("an established UDP flow follows its Service to another endpoint", async () => {
    expect((await see(cni, "udp")).udp).toEqual(["first", "first", "second"]);
  });
});

function withoutNeighbours(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([name]) => !name.endsWith("neighbours")));
}

test("rules that a learner deleted come back with the next change; refused ones fail settle until they are taken", async () => {
  const { refused } = await see("calico", "refused");
  expect(refused).toMatchObject({ before: "answered", deleted: 0, settled: "none", after: "answered" });
  expect(refused.whileOwned, refused.stderr).toMatch(/^DATAPLANE_FAILED: kube-proxy failed \d+ times: .*Operation not/);
  expect(refused.whileOwned.length).toBeLessThan(500);
  expect(refused).toMatchObject({ afterOwned: "none", last: "answered" });
});

test("a full evidence set drops on, and such a drop is decided by the deadline, without a proof", async () => {
  const { full } = await see("calico", "full");
  expect(full.filled).toBe("");
  expect(full.proven).toMatchObject({ outcome: "no-answer", proof: { direction: "ingress" } });
  expect(full.proven.latencyMs).toBeLessThan(1000);
  expect(full.unproven.outcome).toBe("no-answer");
  expect(full.unproven.proof).toBeUndefined();
  expect(full.unproven.latencyMs).toBeGreaterThanOrEqual(1200);
});

test("commands are bounded in output, time and number, and leave neither process nor descriptor", async () => {
  const { exec } = await see("calico", "exec");
  expect(exec).toMatchObject({ many: true, cat: "one\ntwo\n", processes: [] });
  expect(exec.descriptors).toBeLessThanOrEqual(0);
  expect(exec.flood.length).toBeLessThan((1 << 20) + 100);
  expect(exec.flood.end).toContain("[cut: 400000000 bytes in all]");
  // Half of what came: chunks that are read and dropped are only collected after some tens of megabytes.
  expect(exec.flood.rssGrowth).toBeLessThan(200 << 20);
  expect(exec.deaf.timedOut).toBe(true);
  expect(exec.deaf.durationMs).toBeLessThan(3000);
  expect(exec.abortedMs, "aborted before it began").toBeLessThan(3000);
});

test("two containers of a pod on one port: the wait says which one ended, and why", async () => {
  expect((await see("calico", "twoOnOnePort")).twoOnOnePort).toMatch(
    /CrashLoopBackOff: container b: back-off 10s restarting failed container: cannot listen on port 8080\/TCP: EADDRINUSE$/,
  );
});
