import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openDocker } from "../../src/exec/docker.ts";
import { buildPlan } from "../../src/plan/build-plan.ts";
import { cnis } from "../../src/cnis/registry.ts";
import { providePlugins } from "../../src/providers/kind/cni-plugins.ts";
import { NODE_IMAGE } from "../../src/providers/kind/images.ts";
import { kind } from "../../src/providers/kind/provider.ts";
import { readLab } from "../../src/run/read-lab.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { inDocker, labsIn, processesWith } from "./leftovers.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { writeSmallLab } from "./small-lab.ts";

const minutes = 60_000;
const NAME = "rig-fails";

/** kubeadm init would pass over a field that it does not know. */
const MISSPELT_PATCH = "kind: KubeletConfiguration\nmaxPodz: 42\n";

describeOnRig("a lab on kind that cannot be made", () => {
  let cnilab: Cnilab;
  let before: ReturnType<typeof inDocker>;

  beforeAll(() => {
    cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 3 * minutes });
    before = inDocker();
  });

  afterAll(() => cnilab.remove());

  function expectNothingLeft(): void {
    expect(inDocker()).toEqual(before);
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    expect(processesWith(cnilab.stateHome)).toEqual([]);
  }

  function keptLogs(): string[] {
    const folder = join(cnilab.stateHome, "cnilab/logs", NAME);
    return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  }

  const up = (cluster: object, ...options: string[]): ReturnType<Cnilab["run"]> =>
    cnilab.run("up", writeSmallLab(cnilab.stateHome, NAME, { cluster }), "--provider", "kind", ...options);

  test("because a port is taken: the reason, the line that says it, the logs; nothing else stays", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const { exitCode, stderr } = await up({
        portMappings: [{ node: "control-plane", containerPort: 30080, hostPort: port }],
      });
      expect(exitCode, stderr).toBe(4);
      expect(stderr).toContain("KIND_CREATE_FAILED");
      expect(stderr).toContain("a port of this host that the lab maps is already taken");
      expect(stderr).toContain(`127.0.0.1:${port}`);
    } finally {
      server.close();
    }
    expectNothingLeft();
    expect(keptLogs().map((path) => path.split("/").at(-1))).toContain("kind.log");
  });

  test("because kubeadm refuses a patch: kept where that is asked for, and then removed by down", async () => {
    const { exitCode, stderr } = await up({ kubeadmPatches: [MISSPELT_PATCH] }, "--keep-failed");
    expect(exitCode, stderr).toBe(4);
    expect(stderr).toContain("KIND_CREATE_FAILED");
    expect(stderr).toContain("cluster.kubeadmPatches[0] (KubeletConfiguration) is refused");
    expect(stderr).toContain('unknown field "maxPodz"');
    expect(stderr).toContain("LAB_KEPT_FAILED");
    const look = `docker exec -it cnilab-${NAME}-control-plane bash`;
    expect(stderr).toContain(look);
    const inside = await execa("docker", ["exec", `cnilab-${NAME}-control-plane`, "hostname"], {
      env: rigEnvironment,
    });
    expect(inside.exitCode).toBe(0);
    expect(keptLogs().some((path) => path.endsWith(`cnilab-${NAME}-control-plane/kubeadm.yaml`))).toBe(true);

    const grade = await cnilab.run("grade", NAME);
    expect(grade.exitCode).toBe(2);
    const status = await cnilab.run("status", NAME);
    expect(status.stdout + status.stderr).toContain(`cnilab down ${NAME}`);
    const down = await cnilab.run("down", NAME);
    expect(down).toMatchObject({ exitCode: 0, stdout: `${NAME} removed\n` });
    expectNothingLeft();
  });

  test("because its scenario fails: a run with --keep leaves the cluster, which grade does not take for a lab", async () => {
    const folder = writeSmallLab(cnilab.stateHome, NAME);
    for (const [file, from, to] of [
      ["lab.yaml", "timeout: 60s", "timeout: 3s"],
      ["objects.yaml", "netexec", "no-such-command"],
    ] as const) {
      const text = readFileSync(join(folder, file), "utf8");
      expect(text).toContain(from);
      writeFileSync(join(folder, file), text.replaceAll(from, to));
    }
    const run = await cnilab.run("run", folder, "--provider", "kind", "--keep");
    expect(run.exitCode, run.stderr).toBe(4);
    expect(run.stderr).toContain("WAIT_TIMEOUT");
    expect(run.stderr).toContain("LAB_KEPT_FAILED");
    expect((await cnilab.run("grade", NAME)).exitCode).toBe(2);
    expect(inDocker().containers.some((line) => line.startsWith(`cnilab-${NAME}-control-plane `))).toBe(true);
    const down = await cnilab.run("down", NAME);
    expect(down.exitCode, down.stderr).toBe(0);
    expectNothingLeft();
  });
});

describeOnRig("nodes whose image lacks a CNI plugin", () => {
  const container = "cnilab-rig-plugins";
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "cnilab-rig-plugins-"));
    const run = ["run", "--detach", "--name", container, "--network", "none", "--entrypoint", "sleep"];
    await execa("docker", [...run, NODE_IMAGE, "infinity"], { env: rigEnvironment });
    await execa("docker", ["cp", `${container}:/opt/cni/bin/bridge`, join(folder, "bridge")], { env: rigEnvironment });
  });

  afterEach(() => execa("docker", ["exec", container, "rm", "-f", "/opt/cni/bin/bridge"], { env: rigEnvironment }));

  afterAll(async () => {
    await execa("docker", ["rm", "--force", "--volumes", container], { env: rigEnvironment });
    rmSync(folder, { recursive: true });
  });

  async function provide(hostFolders: string[]): Promise<string[]> {
    await execa("docker", ["exec", container, "rm", "-f", "/opt/cni/bin/bridge"], { env: rigEnvironment });
    const { lab } = await readLab("flat-network");
    const plan = buildPlan({ ...lab }, { provider: kind, cnis, cniOverride: { name: "flannel", mode: "vxlan" } });
    const nodes = Object.fromEntries(plan.topology.nodes.map(({ name }) => [name, container]));
    const messages: string[] = [];
    await providePlugins(
      await openDocker(),
      { lab: "plugins", cluster: "plugins", owner: "plugins", stage: "making", nodes },
      plan,
      {
        signal: new AbortController().signal,
        progress: (message) => void messages.push(message),
        hostFolders,
      },
    );
    return messages;
  }

  test("get it from this host", async () => {
    const messages = await provide(["/no/such/folder", folder]);
    expect(messages).toEqual([`copy ${folder}/bridge into nodes, whose image has no bridge`]);
    const version = await execa(
      "docker",
      ["exec", "-i", "--env", "CNI_COMMAND=VERSION", container, "/opt/cni/bin/bridge"],
      {
        env: rigEnvironment,
        input: '{"cniVersion":"1.0.0"}',
      },
    );
    expect(version.stdout).toContain("supportedVersions");
  });

  test("are refused where the host has none either, or one that does not run there", async () => {
    await expect(provide(["/no/such/folder"])).rejects.toMatchObject({
      code: "CNI_PLUGIN_MISSING",
      message: expect.stringContaining("bridge is not there") as unknown,
      hint: expect.stringContaining("containernetworking-plugins") as unknown,
    });
    const broken = join(folder, "broken");
    mkdirSync(broken);
    writeFileSync(join(broken, "bridge"), "\u007fELF of another machine");
    await expect(provide([broken])).rejects.toMatchObject({
      code: "CNI_PLUGIN_MISSING",
      message: expect.stringContaining("does not run there") as unknown,
    });
  });
});
