import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab, repository } from "./cnilab.ts";

const lab = join(repository, "test/fixtures/labs/host-ports");
const folder = mkdtempSync(join(tmpdir(), "cnilab-host-ports-"));
let cnilab: Cnilab;

beforeAll(async () => {
  cnilab = new Cnilab();
  const up = await cnilab.run("up", lab);
  expect(up.exitCode, up.stderr).toBe(0);
}, 60_000);

afterAll(async () => {
  await cnilab.remove();
  rmSync(folder, { recursive: true });
});

test("pods on their node's network and host ports answer at the node's address", { timeout: 60_000 }, async () => {
  const { exitCode, stdout, stderr } = await cnilab.run("probe", "host-ports");
  expect(exitCode, stdout + stderr).toBe(0);
});

test("a pod on its node's network has the node's name, address and files", { timeout: 60_000 }, async () => {
  const look = [
    "sh",
    "-c",
    "cat /etc/hostname; ip -4 -o addr show eth0; grep -c worker /etc/hosts; cat /etc/resolv.conf",
  ];
  const { stdout } = await cnilab.run("exec", "host-ports", "edge/daemonset/agent", "--", ...look);
  expect(stdout).toMatch(/^worker\d\n.* eth0 .*inet 172\.30\.0\.\d+\/24/);
  expect(stdout).toMatch(/\n2\nsearch edge\.svc\.cluster\.local .*\nnameserver 10\.96\.0\.10\n/);
});

test("a second pod that wants the port of the only node it fits stays Pending", { timeout: 60_000 }, async () => {
  const file = join(folder, "second.yaml");
  const container = { name: "c", image: "nginx", ports: [{ containerPort: 80, hostPort: 8088 }] };
  const spec = { nodeSelector: { "kubernetes.io/hostname": "worker1" }, containers: [container] };
  const metadata = { name: "second", namespace: "edge" };
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec }));
  const applied = await cnilab.run("apply", "host-ports", "-f", file);
  expect(applied.exitCode, applied.stderr).toBe(0);
  const { stdout } = await cnilab.run("status", "host-ports");
  expect(stdout).toContain("1 node(s) didn't have free ports for the requested pod ports");
});
