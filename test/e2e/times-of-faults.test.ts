import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab, repository } from "./cnilab.ts";
import { labProcesses, namespacesInUse } from "./host-state.ts";

interface Report {
  verdict: string;
  probes: {
    name: string;
    verdict: string;
    phase?: { when: string; fault: string };
    recovery?: { withinMs: number; tookMs?: number; tries: { atMs: number; verdict: string }[] };
    cells: {
      reason: string;
      withoutFault?: { outcome: string };
      observation?: { outcome: string; tries: number };
    }[];
  }[];
}

const across = "from: shop/deployment/client-1, tcp: { to: shop/deployment/client-2, port: 8080 }";

const flow = (settles: string): string =>
  `from: shop/deployment/client-1, convergence: { to: shop/deployment/client-2, port: 8080, ${settles}, every: 50ms, for: 1s }`;

const lab = (name: string, probes: string[], step = ""): string => `apiVersion: cnilab.dev/v1alpha1
kind: Lab
metadata: { name: ${name}, title: During and after }
cni: calico
scenario:
  - apply: shop.yaml
  - wait: { for: deployment/client-1, namespace: shop, condition: available, timeout: 60s }
  - wait: { for: deployment/client-2, namespace: shop, condition: available, timeout: 60s }
${step}  - fault: { partition: [[node/control-plane, node/worker1], [node/worker2]], name: cut }
  - fault: { nodeDown: node/worker2, name: dead }
probes:
${probes.map((probe) => `  - { ${probe} }\n`).join("")}`;

const PROBES = [
  `name: before, ${across}, expect: allowed`,
  `name: cut off, during: cut, ${across}, expect: blocked`,
  "name: one side, during: cut, from: node/worker1, ping: { to: node/control-plane }, expect: allowed",
  `name: whole again, after: cut, within: 5s, ${across}, expect: allowed`,
  "name: the dead node, during: dead, from: node/worker1, ping: { to: node/worker2 }, expect: blocked",
  `name: and back, after: dead, ${across}, expect: allowed`,
  `name: silent at once, during: cut, ${flow("settles: silent")}, expect: { within: 900ms, leaked: < 900 ms }`,
  `name: served again, after: cut, ${flow("settles: answered")}, expect: { within: 900ms }`,
];

/** Silent with or without the fault, open in spite of it, closed after it, and a probe that cannot be run. */
const WRONG = [
  `name: silent anyway, during: cut, from: shop/deployment/client-1, tcp: { to: 198.51.100.1, port: 80 }, expect: blocked`,
  "name: open, during: cut, from: node/worker1, ping: { to: node/control-plane }, expect: blocked",
  `name: never, after: cut, within: 3s, from: node/worker1, tcp: { to: node/worker2, port: 9 }, expect: allowed`,
  `name: cannot be run, after: cut, within: 3s, ${across}, expect: allowed`,
  "name: no traffic, during: cut, from: node/worker1, convergence: { to: 198.51.100.1, port: 80, settles: silent }, expect: { within: 1s }",
  `name: never silent, during: cut, from: node/worker1, convergence: { to: shop/deployment/client-1, port: 8080, settles: silent, for: 1s }, expect: { within: 1s }`,
  "name: from the dead node, during: dead, from: node/worker2, ping: { to: node/worker1 }, expect: blocked",
];

let folder: string;
let cnilab: Cnilab;
let namespaces: Set<string>;

function write(name: string, probes: string[], step?: string): string {
  const target = join(folder, name);
  mkdirSync(target);
  copyFileSync(join(repository, "labs/partition/manifests/shop.yaml"), join(target, "shop.yaml"));
  writeFileSync(join(target, "lab.yaml"), lab(name, probes, step));
  return target;
}

beforeAll(() => {
  namespaces = namespacesInUse();
  folder = mkdtempSync(join(tmpdir(), "cnilab-times-"));
  cnilab = new Cnilab();
});

afterAll(async () => {
  await cnilab.remove();
  rmSync(folder, { recursive: true });
});

describe("probes during and after faults", () => {
  test("see each fault and its end, and a report says when", async () => {
    const target = write("times", PROBES);
    const junit = join(folder, "times.xml");
    const run = await cnilab.run("run", target, "-o", "json", "--reporter", `junit=${junit}`);
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    const { probes } = JSON.parse(run.stdout) as Report;
    expect(probes.map(({ name, phase }) => [name, phase?.when, phase?.fault])).toEqual([
      ["before", undefined, undefined],
      ["cut off", "during", "cut"],
      ["one side", "during", "cut"],
      ["whole again", "after", "cut"],
      ["the dead node", "during", "dead"],
      ["and back", "after", "dead"],
      ["silent at once", "during", "cut"],
      ["served again", "after", "cut"],
    ]);
    const [leak, outage] = probes.slice(-2).map(({ cells }) => cells[0]?.observation);
    expect(leak).toMatchObject({ outcome: "dropped", measured: { settles: "silent", before: "answered" } });
    // The flow has to have seen that the network was in two parts when the restore was asked for.
    expect(outage).toMatchObject({ outcome: "allowed", measured: { settles: "answered", before: "silent" } });
    expect(probes[1]?.cells[0]).toMatchObject({ withoutFault: { outcome: "allowed" } });
    const recovery = probes[3]?.recovery;
    expect(recovery?.withinMs).toBe(5000);
    expect(recovery?.tookMs).toBe(recovery?.tries.at(-1)?.atMs);
    expect(recovery?.tookMs).toBeLessThanOrEqual(5000);
    expect(readFileSync(junit, "utf8")).toContain('<property name="phase" value="during cut"/>');
    expect(labProcesses(cnilab.stateHome, namespaces)).toEqual([]);
  });

  test("never pass for the wrong reason, and every try is counted", async () => {
    const step = "  - scale: { deployment: client-2, namespace: shop, replicas: 0 }\n";
    const run = await cnilab.run("run", write("wrong-times", WRONG, step), "-o", "json");
    expect(run.exitCode, run.stdout + run.stderr).toBe(1);
    const [silent, open, never, broken, unseen, leaks, fromDead] = (JSON.parse(run.stdout) as Report).probes;
    expect(silent?.verdict).toBe("inconclusive");
    expect(open?.verdict).toBe("fail");
    expect(never?.verdict).toBe("fail");
    expect(never?.recovery?.tookMs).toBeUndefined();
    const tries = never?.recovery?.tries ?? [];
    expect(tries.length).toBeGreaterThan(1);
    expect(tries.at(-1)?.atMs).toBeGreaterThanOrEqual(3000);
    expect(never?.cells[0]?.observation?.tries).toBe(tries.length);
    expect(broken?.verdict).toBe("inconclusive");
    expect(broken?.recovery?.tries.map(({ verdict }) => verdict)).toEqual(["inconclusive"]);
    expect(unseen?.verdict).toBe("inconclusive");
    expect(unseen?.cells[0]?.reason).toContain("only 0 of 5 requests were answered before the fault");
    expect(leaks?.verdict).toBe("fail");
    expect(leaks?.cells[0]?.reason).toMatch(/observed still answered after 1/);
    expect(fromDead?.verdict, fromDead?.cells[0]?.reason).toBe("pass");
  });
});

describe("a lab that is up", () => {
  const slow = Array.from(
    { length: 4 },
    (_, index) =>
      `name: slow ${index}, during: cut, from: shop/deployment/client-1, tcp: { to: shop/deployment/client-2, port: 8080 }, expect: blocked`,
  );
  const reaches = async (): Promise<boolean> =>
    (await cnilab.run("exec", "held", "node/worker1", "--", "ping", "-c", "1", "-W", "0.2", "worker2")).exitCode === 0;
  const untilReaches = async (wanted: boolean): Promise<void> => {
    const deadline = Date.now() + 20_000;
    while ((await reaches()) !== wanted)
      if (Date.now() > deadline) throw new Error(`worker2 is ${wanted ? "still" : "never"} cut off`);
  };

  beforeAll(async () => {
    const tail = `name: dead, during: dead, from: node/worker1, ping: { to: node/worker2 }, expect: blocked`;
    const up = await cnilab.run("up", write("held", [...slow, tail]));
    expect(up.exitCode, up.stderr).toBe(0);
  });

  test("is graded, and one probe of it run, and has no fault afterwards", async () => {
    for (const verb of [
      ["grade", "held"],
      ["probe", "held", "--only", "slow 0"],
    ]) {
      const run = await cnilab.run(...verb, "-o", "json");
      expect((JSON.parse(run.stdout) as Report).probes[0]?.verdict, run.stdout + run.stderr).toBe("pass");
      expect(await reaches()).toBe(true);
    }
  });

  test("is busy for another probe of a fault meanwhile", async () => {
    const first = cnilab.start("grade", "held");
    const ended = new Promise((resolve) => first.once("exit", resolve));
    await untilReaches(false);
    const second = await cnilab.run("probe", "held", "--only", "slow 0");
    expect(second.stderr).toContain("LAB_BUSY");
    await ended;
    expect(await reaches()).toBe(true);
  });

  test.each(["SIGINT", "SIGKILL"] as const)("has no fault when who probes it gets %s", async (signal) => {
    const child = cnilab.start("grade", "held");
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await untilReaches(false);
    child.kill(signal);
    await ended;
    await untilReaches(true);
  });
});
