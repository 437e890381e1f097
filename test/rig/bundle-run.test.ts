import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { Cnilab } from "../e2e/cnilab.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

const minutes = 60_000;
const NAME = "rig-bundle-run";
/** A name of its own for an image of the rig: it can be taken out of the engine without anybody missing it. */
const IMAGE = "cnilab-rig-bundle-run:1";
const AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.53";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "server" },
  spec: {
    containers: [
      { name: "server", image: IMAGE, args: ["netexec", "--http-port=8080"], ports: [{ containerPort: 8080 }] },
    ],
  },
};

const lab = {
  apiVersion: "cnilab.dev/v1alpha1",
  kind: "Lab",
  metadata: { name: NAME, title: "One pod, from a bundle" },
  topology: "one-node",
  cni: "flannel",
  providers: ["kind"],
  scenario: [
    { apply: "pod.yaml" },
    { wait: { for: "pod/server", namespace: "default", condition: "ready", timeout: "60s" } },
  ],
  probes: [
    {
      name: "the pod says its name",
      from: "node/control-plane",
      curl: { to: "default/pod/server", port: 8080, path: "/hostname" },
      expect: { status: 200, body: "server" },
    },
  ],
};

describeOnRig("a lab from a bundle, with everything else taken away", () => {
  let folder: string;
  let bundle: string;
  let cache: string;
  let offline: Cnilab;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "cnilab-rig-bundle-run-"));
    bundle = join(folder, "bundle.tar");
    cache = join(folder, "cache");
    const labFolder = join(folder, NAME);
    mkdirSync(labFolder);
    writeFileSync(join(labFolder, "lab.yaml"), stringify(lab));
    writeFileSync(join(labFolder, "pod.yaml"), stringify(pod));
    await execa("docker", ["tag", AGNHOST, IMAGE]);
    const online = new Cnilab({ environment: rigEnvironment, timeoutMs: 3 * minutes });
    const created = await online.run("bundle", "create", labFolder, "--to", bundle, "--from", "docker");
    await online.remove();
    expect(created.exitCode, created.stderr).toBe(0);
    rmSync(labFolder, { recursive: true });
    await execa("docker", ["image", "rm", IMAGE]);

    const withoutKind = (process.env["PATH"] ?? "")
      .split(delimiter)
      .filter((each) => each !== "" && !existsSync(join(each, "kind")));
    const { CNILAB_FILES: _files, ...rest } = process.env;
    const nowhere = "http://127.0.0.1:9";
    offline = new Cnilab({
      environment: {
        ...rest,
        PATH: withoutKind.join(delimiter),
        XDG_CACHE_HOME: cache,
        ...Object.fromEntries(
          ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"].map((name) => [name, nowhere]),
        ),
      },
      timeoutMs: 5 * minutes,
    });
  }, 4 * minutes);

  afterAll(async () => {
    await offline?.remove();
    await execa("docker", ["image", "rm", IMAGE], { reject: false });
    rmSync(folder, { recursive: true, force: true });
  }, 2 * minutes);

  test("without the bundle it is told what is missing", async () => {
    const run = await offline.run("run", NAME, "--quiet");
    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain("LAB_NOT_FOUND");
  });

  test("by its name it passes: lab, kind, manifest and images are the bundle's", { timeout: 6 * minutes }, async () => {
    const run = await offline.run("run", NAME, "--bundle", bundle, "-o", "json");
    expect(run.exitCode, run.stderr).toBe(0);
    const report = JSON.parse(run.stdout) as { verdict: string; provider: string; counts: unknown };
    expect(report).toMatchObject({ verdict: "pass", provider: "kind", counts: { pass: 1 } });
    const cached = (part: string): string[] =>
      readdirSync(join(cache, "cnilab", part), { recursive: true, encoding: "utf8" });
    expect(cached("executables").some((path) => path.endsWith("/kind"))).toBe(true);
    expect(cached("labs").some((path) => path.endsWith(`${NAME}/lab.yaml`))).toBe(true);
    expect(cached("files")).toHaveLength(1);
    await execa("docker", ["image", "inspect", IMAGE]);
  });
});
