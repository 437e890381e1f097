import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Remote } from "../../src/exec/ssh/types.ts";
import type { PlannedMachine } from "../../src/plan/types.ts";
import { closeMachines, openMachines, type Remotes } from "../../src/providers/ssh/machines.ts";
import { endVms } from "../../src/providers/ssh/vm/end.ts";
import { withVms } from "../../src/providers/ssh/vm/with-vms.ts";
import type { Comparison } from "../../src/report/compare-types.ts";
import { differences, gradedEverywhere, wrongGrades } from "./comparison.ts";
import { onRig } from "./rig.ts";
import { vmImage, vmMissing } from "./vm-image.ts";
import { vmPlan } from "./vm-plan.ts";

/*
 * Modes of the embedded engine whose link types a host's kernel may lack, in a virtual machine whose kernel has them: the
 * labs that claim them, and what is on the wire. Emulated where there is no KVM: half an hour.
 */

const MINUTES = 60_000;
const isLong = process.env["CNILAB_LONG_LANES"] === undefined ? "too long for CI: npm run test:modes" : undefined;

const ENCRYPTED = ["--cni-option", "encrypted=true"] as const;

let stateDirectory = "";
let remotes: Remotes = new Map();
let machine: Remote;

interface JsonReport {
  probes: { name: string; cells: { observation?: { measured?: Record<string, unknown> } }[] }[];
}

/** A command of cnilab in the machine; what it wrote to standard output. */
async function cnilab(...words: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await machine.run(
    ["sh", "-c", 'cd cnilab && exec ../node dist/cli/main.js "$@"', "sh", ...words],
    {
      timeoutMs: 40 * MINUTES,
    },
  );
  expect(stdout, `exit code ${exitCode}: ${stderr}`).not.toBe("");
  return stdout;
}

onRig(vmMissing() ?? isLong)("modes of the embedded engine on a kernel that has them", () => {
  beforeAll(async () => {
    stateDirectory = mkdtempSync(join(tmpdir(), "cnilab-vm-modes-"));
    const plan = vmPlan({ ...vmImage(), memoryBytes: 2 * 2 ** 30, diskBytes: 8 * 2 ** 30 }, 1);
    const { signal } = new AbortController();
    const made = await withVms(plan, { stateDirectory, signal, progress: (message) => console.log(message) });
    remotes = await openMachines([made.machines?.[0] as PlannedMachine]);
    machine = remotes.get("vm1") as Remote;
    const home = await machine.must("pwd");
    const files = [
      "dist",
      "labs",
      "topologies",
      "package.json",
      "docs/divergences.yaml",
      "test/fixtures/labs",
      "node_modules/koffi",
      "node_modules/@koromix",
    ];
    const project = execFileSync("tar", ["--create", "--gzip", "--dereference", ...files], { maxBuffer: 1 << 28 });
    await machine.writeFile(`${home.trim()}/cnilab.tar.gz`, project);
    await machine.writeFile(`${home.trim()}/node.gz`, gzipSync(readFileSync(process.execPath), { level: 1 }));
    await machine.must("mkdir cnilab && tar -xzf cnilab.tar.gz -C cnilab && gunzip node.gz && chmod +x node", [], {
      timeoutMs: 5 * MINUTES,
    });
    await machine.must("modprobe br_netfilter", [], { sudo: true });
  }, 15 * MINUTES);

  afterAll(async () => {
    await closeMachines(remotes);
    await endVms(stateDirectory);
    rmSync(stateDirectory, { recursive: true, force: true });
  });

  test.each([
    ["flannel:wireguard", [], { encapsulation: "wireguard" }, { largest: 1420 }, { visible: false }],
    ["calico:ipip", [], { encapsulation: "ipip" }, { largest: 1480 }, { visible: true }],
    ["calico:wireguard", [], { encapsulation: "wireguard" }, { largest: 1440 }, { visible: false }],
    ["weave:fastdp", ENCRYPTED, { encapsulation: "esp" }, { largest: 1376 }, { visible: false }],
  ] as const)(
    "%s %j: packets go that way, with that room, to be read or not",
    { timeout: 10 * MINUTES },
    async (cni, options, way, room, payload) => {
      const lab = "test/fixtures/labs/encapsulation";
      try {
        await cnilab("up", lab, "-o", "json", "--cni", cni, ...options);
        const { probes } = JSON.parse(await cnilab("probe", "encapsulation", "-o", "json")) as JsonReport;
        const measured = Object.fromEntries(probes.map(({ name, cells }) => [name, cells[0]?.observation?.measured]));
        expect(measured).toMatchObject({ "the way": way, "the room": room, "the payload": payload });
      } finally {
        await cnilab("down", "encapsulation");
      }
    },
  );

  test.each([
    ["flannel", "vxlan", "wireguard", [], 2],
    ["calico", "vxlan", "ipip,calico:wireguard", [], 5],
    ["weave", "fastdp", "fastdp", ENCRYPTED, 3],
  ] as const)(
    "%s: labs that claim %s and %s %j score 0 untouched and all points solved, and no cell differs",
    { timeout: 90 * MINUTES },
    async (cni, mode, others, options, least) => {
      const listed = JSON.parse(await cnilab("list", "-o", "json")) as { name: string }[];
      const labs = listed.map(({ name }) => `labs/${name}`);
      const compare = async (...words: string[]): Promise<Comparison> =>
        JSON.parse(
          await cnilab("compare", ...labs, "--provider", "netns", "--both", "-o", "json", ...words),
        ) as Comparison;
      await compare("--cni", `${cni}:${mode}`, "--save", "plain.json");
      const comparison = await compare("--cni", `${cni}:${others}`, ...options, "--baseline", "plain.json");
      expect({ wrong: wrongGrades(comparison), cells: differences(comparison) }).toEqual({ wrong: [], cells: [] });
      expect(gradedEverywhere(comparison).length).toBeGreaterThanOrEqual(least);
    },
  );
});
