import { describe, expect, test } from "vitest";
import { LabError } from "../../../../../src/core/errors.ts";
import type { Evidence } from "../../../../../src/grade/types.ts";
import { placeName } from "../../../../../src/providers/real/agents/place-name.ts";
import { flowEvidence, type PlacedFlow } from "../../../../../src/providers/real/evidence/flow-evidence.ts";
import type { Agents, Place } from "../../../../../src/providers/real/types.ts";

const pod = (name: string, node: string): Place => ({ kind: "pod", node, namespace: "shop", name, uid: name });
const web = pod("web", "one");
const db = { place: pod("db", "two"), addresses: ["10.2.0.2", "fd00::2"] };
const spare = { place: pod("spare", "three"), addresses: ["10.3.0.3"] };
const placed: PlacedFlow = {
  flow: {
    from: { kind: "pod", namespace: "shop", name: "web" },
    to: [],
    address: "10.96.0.7",
    port: 80,
    protocol: "tcp",
    targetPorts: [8080, 8080],
  },
  source: web,
  targets: [spare, db],
  nodeAddresses: ["172.18.0.2"],
};

const syn = (how: string, to: string): string => `1:2:3.4 ${how} IP 10.1.0.1.4000 > ${to}: Flags [S], seq 100, win 1\n`;

/** What each capture prints once the flow is tried. */
const printed: Record<string, string[]> = {
  "pod shop/web": [syn("eth0 Out", "10.96.0.7.80")],
  "node one": [syn("cali1 In", "10.96.0.7.80"), syn("vx Out", "10.2.0.2.8080")],
  "node two": [syn("vx In", "10.2.0.2.8080")],
};

interface Asked {
  agents: Agents;
  log: string[];
}

/** Agents that say what the test has them say, and keep the order in which they were asked. */
function fakeAgents({ failing = [] as string[], seen = printed, nat = "" } = {}): Asked {
  const log: string[] = [];
  const takers = new Map<string, (text: string, stream: "out" | "err") => void>();
  let isTried = false;
  const unexpected = (): never => {
    throw new Error("the test did not expect this");
  };
  const agents: Agents = {
    echo: () => Promise.reject(new Error("no echo requests")),
    follow: (place, argv, take) => {
      const name = placeName(place);
      log.push(`capture ${name} ${argv.at(-1)}`);
      if (failing.includes(name)) return Promise.reject(new LabError("EXEC_NOT_STARTED", "no tcpdump"));
      takers.set(name, take);
      let onEnd = (): void => undefined;
      const ended = new Promise<void>((resolve) => (onEnd = resolve));
      // In two pieces, as pipes hand things over.
      setImmediate(() => take("tcpdump: verbose output suppressed\nlisten", "err"));
      setImmediate(() => take("ing on any, link-type LINUX_SLL2\n", "err"));
      return Promise.resolve({
        ended,
        stop: () => {
          log.push(`stop ${name}`);
          onEnd();
          return ended;
        },
      });
    },
    sweep: (cells) => {
      log.push(`try ${cells.map(({ address, port }) => `${address}:${port}`).join(" ")}`);
      isTried = true;
      for (const [name, lines] of Object.entries(seen)) for (const line of lines) takers.get(name)?.(line, "out");
      const result = { id: 0, outcome: "no-answer" as const, detail: "no answer before the deadline", latencyMs: 1100 };
      return Promise.resolve({ cells: [result], durationMs: 1100, retransmits: 1 });
    },
    nodeTool: (node, argv) => {
      const [tool = "", ...rest] = argv;
      log.push(`${node} ${tool}`);
      const counter = isTried ? 7 : 5;
      const rules = `*filter\n[${counter}:1] -A cali-tw-cali2 -m comment --comment "Drop if none" -j DROP\n`;
      const given = node === "one" && nat !== "" ? `*nat\n[${counter}:1] -A KUBE-SEP-DB ${nat}\n` : "";
      const stdout = { "iptables-save": node === "two" ? rules : given, ip: `${rest[2]} dev cali2` }[tool] ?? "";
      return Promise.resolve({ ok: true, stdout, stderr: "" });
    },
    exec: unexpected,
    serve: unexpected,
    interactive: unexpected,
    close: unexpected,
  };
  return { agents, log };
}

const summaryOf = (evidence: readonly Evidence[]): string[] => (evidence[0]?.text ?? "").split("\n");

describe("evidence of a flow", () => {
  test("follows a Service's packets to the pod they were sent to, and names the rule that dropped", async () => {
    const { agents } = fakeAgents();
    const evidence = await flowEvidence(agents, placed);
    expect(summaryOf(evidence)).toEqual([
      "tried again: no-answer (no answer before the deadline) after 1100.0 ms",
      "SYN seen leaving pod shop/web, not arriving at pod shop/db",
      "  passed on by node one (cali1 → vx)",
      "  taken in by node two (vx), which does not pass it on",
      'node two dropped 2 packets: filter cali-tw-cali2 "Drop if none"',
    ]);
    expect(evidence[0]).toMatchObject({ kind: "node" });
    expect(evidence[0]).not.toHaveProperty("isDetail");
    const details = evidence.slice(1);
    expect(details.every(({ isDetail }) => isDetail === true)).toBe(true);
    expect(details.map(({ text }) => text.split("\n")[0])).toContain("capture at node two:");
    expect(details.map(({ text }) => text.split("\n")[0])).toContain("rules of two that counted packets meanwhile:");
    expect(details.some(({ text }) => text.includes("three"))).toBe(false);
  });

  test("finds the pod of a Service whose packets nobody saw with its address by the rule that gave it", async () => {
    const seen = { "pod shop/web": printed["pod shop/web"] ?? [], "node one": [syn("cali1 In", "10.96.0.7.80")] };
    const known = fakeAgents({ seen, nat: "-p tcp -j DNAT --to-destination 10.2.0.2:8080" });
    expect(summaryOf(await flowEvidence(known.agents, placed))[1]).toBe(
      "SYN seen leaving pod shop/web, not arriving at pod shop/db",
    );
    const unknown = fakeAgents({ seen });
    const lines = summaryOf(await flowEvidence(unknown.agents, placed));
    expect(lines[1]).toBe("SYN seen leaving pod shop/web, arriving at node one");
    expect(lines.join("\n")).not.toMatch(/shop\/(db|spare)/);
  });

  test("listens everywhere and has read the rules before the flow is tried, and stops every capture", async () => {
    const { agents, log } = fakeAgents();
    await flowEvidence(agents, placed);
    const tried = log.findIndex((line) => line.startsWith("try"));
    const captured = log.filter((line) => line.startsWith("capture"));
    const filter =
      "((host 10.96.0.7 or host 10.3.0.3 or host 10.2.0.2) and tcp and (port 80 or port 8080)) or icmp[icmptype] == icmp-unreach";
    expect(captured).toEqual(
      ["pod shop/web", "node one", "node three", "pod shop/spare", "node two", "pod shop/db"].map(
        (name) => `capture ${name} ${filter}`,
      ),
    );
    const lastCapture = log.findLastIndex((line) => line.startsWith("capture"));
    expect(lastCapture).toBeLessThan(tried);
    for (const node of ["one", "two", "three"]) {
      const reads = log.flatMap((line, index) => (line === `${node} iptables-save` ? [index] : []));
      expect(reads.map((index) => index < tried)).toEqual([true, false]);
    }
    expect(log.filter((line) => line.startsWith("stop")).length).toBe(captured.length);
  });

  test("has what the other places show where one cannot be listened at", async () => {
    const { agents, log } = fakeAgents({ failing: ["pod shop/db"] });
    const evidence = await flowEvidence(agents, placed);
    expect(summaryOf(evidence)).toContain("no capture at pod shop/db: no tcpdump");
    expect(summaryOf(evidence)).toContain("SYN seen leaving pod shop/web");
    expect(log.filter((line) => line.startsWith("stop")).length).toBe(5);
  });

  test("rejects where an agent is lost, and leaves no capture behind", async () => {
    const { agents, log } = fakeAgents();
    const lost = new LabError("AGENT_LOST", "the agent of node two is lost");
    const broken: Agents = { ...agents, sweep: () => Promise.reject(lost) };
    await expect(flowEvidence(broken, placed)).rejects.toBe(lost);
    expect(log.filter((line) => line.startsWith("stop")).length).toBe(6);
  });
});
