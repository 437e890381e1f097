import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab } from "../e2e/cnilab.ts";
import { withoutOwn } from "./kubectl-session/alike.ts";
import { differences } from "./kubectl-session/differences.ts";
import { runSession, type Said } from "./kubectl-session/session.ts";
import { steps } from "./kubectl-session/steps.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { sharedCluster } from "./shared-cluster.ts";

/** An unmodified kubectl says the same on a lab as on a real cluster, but for what `differences` lists. */
describeOnRig("a session with kubectl", () => {
  const MINUTES = 60_000;
  let cnilab: Cnilab;
  let folder = "";
  let real: Said[];
  let embedded: Said[];

  beforeAll(async () => {
    cnilab = new Cnilab({ environment: rigEnvironment });
    folder = mkdtempSync(join(tmpdir(), "cnilab-session-"));
    // One after another: two clusters at once wait for each other's pods.
    real = await runSession(steps, await sharedCluster(), mkdtempSync(join(folder, "real-")));
    const up = await cnilab.run("up", "first-lab");
    expect(up.exitCode, up.stderr).toBe(0);
    const kubeconfig = (await cnilab.run("kubeconfig", "first-lab", "--path")).stdout.trim();
    embedded = await runSession(steps, kubeconfig, mkdtempSync(join(folder, "embedded-")));
  }, 10 * MINUTES);

  afterAll(async () => {
    await cnilab.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("has 120 commands and more, and most of them work", () => {
    expect(steps.length).toBeGreaterThanOrEqual(120);
    expect(real.filter(({ exitCode }) => exitCode === 0).length).toBeGreaterThan(120);
    expect(real.filter(({ exitCode }) => exitCode === null)).toEqual([]);
  });

  test.each(steps.map(({ run }, index) => [index, run] as const))("%i kubectl %s", (index) => {
    expect(compared(embedded[index])).toBe(compared(real[index]));
  });

  test("differs where it is said to, and nowhere else", () => {
    const stale = differences.filter(({ steps: about, cut }) =>
      about.some((run) => ![...real, ...embedded].some((said) => said.run === run && plain(said).search(cut) >= 0)),
    );
    expect(stale).toEqual([]);
  });

  function compared(said: Said | undefined): string {
    if (said === undefined) return "";
    const cuts = differences.filter(({ steps: about }) => about.includes(said.run)).map(({ cut }) => cut);
    return cuts.reduce((text, cut) => text.replace(cut, ""), plain(said));
  }

  function plain({ exitCode, stdout, stderr }: Said): string {
    const own = (text: string): string =>
      withoutOwn(text.replaceAll(new RegExp(`${folder}/\\w+-\\w+`, "g"), ""), NODES);
    return `exit code ${exitCode}\n${own(stdout)}\n-- standard error\n${own(stderr)}`;
  }
});

const NODES = [
  "control-plane",
  "worker1",
  "worker2",
  "cnilab-rig-shared-control-plane",
  "cnilab-rig-shared-worker",
  "cnilab-rig-shared-worker2",
];
