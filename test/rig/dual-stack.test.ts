import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab, repository } from "../e2e/cnilab.ts";
import { inDocker } from "./leftovers.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

/*
 * Clusters with IPv4 and IPv6, beside what labs.test.ts grades on them: the bundled dual-stack labs, both on one cluster where the CNI
 * takes both, after a reset, a cut and a restart.
 */

const minutes = 60_000;
const SOLUTIONS = ["service.yaml", "policies.yaml"];

interface LabFile {
  metadata: { name: string };
  scenario: object[];
  probes: object[];
  tasks: object[];
}

interface Grade {
  verdict: string;
  earned: number;
  possible: number;
}

/** Containers and networks of a lab. */
function leftOf(name: string): string[] {
  const { containers, networks } = inDocker();
  return [...containers, ...networks].filter((each) => each.startsWith(`cnilab-${name}`));
}

describeOnRig("a dual-stack cluster", () => {
  const cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 4 * minutes });
  let root: string;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "cnilab-rig-dual-"));
  });

  afterAll(async () => {
    await cnilab.remove();
    rmSync(root, { recursive: true, force: true });
  });

  const must = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await cnilab.run(...args);
    expect(exitCode, stdout + stderr).toBe(0);
    return stdout;
  };

  /** Bundled labs as one, under a name of its own; returns its folder. */
  const labOf = (name: string, bundled: readonly [string, ...string[]], first: object[], probes: object[]): string => {
    const folder = join(root, name);
    const files = bundled.map((lab) => {
      cpSync(join(repository, "labs", lab), folder, { recursive: true });
      return parse(readFileSync(join(folder, "lab.yaml"), "utf8")) as LabFile;
    });
    const lab = {
      ...files[0],
      metadata: { ...files[0]?.metadata, name },
      scenario: [...first, ...files.flatMap(({ scenario }) => scenario)],
      probes: [...probes, ...files.flatMap((file) => file.probes)],
      tasks: files.flatMap(({ tasks }) => tasks),
    };
    writeFileSync(join(folder, "lab.yaml"), stringify(lab));
    return folder;
  };

  test(
    "on Calico: nothing is earned untouched, all when solved, and reset brings the beginning back",
    async (context) => {
      if (process.env["CNILAB_LONG_LANES"] === undefined) context.skip("too long for CI: npm run test:compare");
      const name = "rig-dual-calico";
      const folder = labOf(name, ["dual-stack", "dual-stack-policy"], [], []);
      const graded = async (): Promise<Grade> =>
        JSON.parse((await cnilab.run("grade", name, "-o", "json")).stdout) as Grade;
      await must("up", folder, "--provider", "kind", "--cni", "calico:vxlan");
      const addresses = await must("exec", name, "shop/deployment/client", "--", "ip", "-o", "addr", "show", "eth0");
      expect(addresses).toMatch(/inet 192\.168\.\d+\.\d+\/32/);
      expect(addresses).toMatch(/inet6 fd00:10:244:[0-9a-f:]+\/128/);
      expect(await graded()).toMatchObject({ verdict: "fail", earned: 0, possible: 12 });
      for (const file of SOLUTIONS) await must("apply", name, "-f", join(folder, "solution", file));
      expect(await graded()).toMatchObject({ verdict: "pass", earned: 12, possible: 12 });
      await must("reset", name);
      expect(await graded()).toMatchObject({ verdict: "fail", earned: 0, possible: 12 });
      await must("down", name);
      expect(leftOf(name)).toEqual([]);
    },
    5 * minutes,
  );

  test(
    "on Flannel: pods of all nodes reach each other, also after a link was down and a node was started anew",
    async () => {
      const name = "rig-dual-flannel";
      const link = { linkDown: "node/worker2", interface: "eth0" };
      const faults = [{ fault: link }, { restore: link }, { fault: { restart: "node/worker1" } }];
      const probe = {
        name: "a node keeps its IPv6 address",
        from: "external",
        ping: { to: "node/worker1", family: "ipv6" },
        expect: "allowed",
      };
      const folder = labOf(name, ["dual-stack"], faults, [probe]);
      const run = ["run", folder, "--provider", "kind", "--cni", "flannel:host-gw", "--solution", "-o", "json"];
      expect(JSON.parse(await must(...run))).toMatchObject({ verdict: "pass", earned: 4, possible: 4 });
      expect(leftOf(name)).toEqual([]);
    },
    5 * minutes,
  );
});
