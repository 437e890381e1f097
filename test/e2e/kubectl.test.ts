import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { onRig, rigMissing } from "../rig/rig.ts";
import type { Cnilab, Finished } from "./cnilab.ts";
import { KubectlLab } from "./kubectl.ts";

/** An unmodified kubectl against a lab of netns: it is the rig's, since a host need not have one. */
onRig(rigMissing)("kubectl on a lab", () => {
  let lab: KubectlLab;
  let cnilab: Cnilab;
  let kubeconfig = "";

  const kubectl = (...args: string[]): Promise<Finished> => lab.run(args);
  const told = (...args: string[]): Promise<string> => lab.told(...args);

  beforeAll(async () => {
    lab = await new KubectlLab().start("first-lab");
    ({ cnilab, kubeconfig } = lab);
  }, 60_000);

  afterAll(() => cnilab.remove());

  test("finds the kubeconfig readable by its owner alone, printed and in a shell of the lab", async () => {
    expect(statSync(kubeconfig).mode & 0o777).toBe(0o600);
    const { stdout } = await cnilab.run("kubeconfig", "first-lab");
    expect(JSON.parse(stdout)).toMatchObject({ "current-context": "cnilab-first-lab" });
    expect(await told("config", "current-context")).toBe("cnilab-first-lab\n");
  });

  test("reads objects in its forms", async () => {
    expect(await told("get", "nodes", "-o", "name")).toBe("node/control-plane\nnode/worker1\nnode/worker2\n");
    expect(await told("get", "deploy", "-n", "shop", "-o", "wide")).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\napi +3\/3 +3 +3 /,
    );
    expect(await told("get", "pods", "-A", "-o", "wide")).toMatch(
      /^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE +IP +NODE /,
    );
    expect(JSON.parse(await told("get", "svc", "web", "-n", "shop", "-o", "json"))).toMatchObject({ kind: "Service" });
    expect(await told("get", "svc", "web", "-n", "shop", "-o", "yaml")).toContain("kind: Service");
    expect(
      await told(
        "get",
        "pods",
        "-n",
        "shop",
        "-l",
        "app in (web)",
        "--field-selector",
        "status.phase=Running",
        "-o",
        "name",
        "--chunk-size=1",
      ),
    ).toMatch(/^(pod\/web-\S+\n){3}$/);
    expect(await told("describe", "svc", "web", "-n", "shop")).toMatch(/Endpoints: +\d/);
    expect(await told("describe", "pods", "-n", "shop", "-l", "app=web")).toContain("Controlled By:  ReplicaSet/web-");
    expect(await told("api-resources")).toMatch(
      /networkpolicies +netpol +networking\.k8s\.io\/v1 +true +NetworkPolicy/,
    );
    const missing = await kubectl("get", "pods", "nosuch");
    expect(missing).toMatchObject({ exitCode: 1, stderr: 'Error from server (NotFound): pods "nosuch" not found\n' });
  });

  test("makes, changes and deletes a workload that answers", { timeout: 60_000 }, async () => {
    await told("create", "namespace", "demo");
    await told("create", "deployment", "web", "-n", "demo", "--image=nginx:1.22", "--replicas=2", "--port=80");
    expect(await told("rollout", "status", "deploy/web", "-n", "demo", "--timeout=20s")).toContain(
      "successfully rolled out",
    );
    await told("expose", "deployment", "web", "-n", "demo", "--port=80");
    await told("scale", "deploy/web", "-n", "demo", "--replicas=3");
    await told("wait", "--for=jsonpath={.status.readyReplicas}=3", "deploy/web", "-n", "demo", "--timeout=20s");
    await told("label", "deploy/web", "-n", "demo", "tier=front");
    await told("label", "pods", "--all", "-n", "demo", "seen=yes");
    expect((await told("get", "pods", "-n", "demo", "-l", "seen=yes", "-o", "name")).split("\n")).toHaveLength(4);
    expect(await told("get", "serviceaccounts", "-n", "demo", "-o", "name")).toBe("serviceaccount/default\n");
    await told("annotate", "deploy/web", "-n", "demo", "note=here");
    expect(await told("get", "deploy", "-n", "demo", "-l", "tier=front", "-o", "name")).toBe("deployment.apps/web\n");
    const answer = await cnilab.run(
      "exec",
      "first-lab",
      "visitors/deployment/visitor",
      "--",
      "curl",
      "-s",
      "http://web.demo",
    );
    expect(answer.exitCode, answer.stderr).toBe(0);
    await told("create", "configmap", "c", "-n", "demo", "--from-literal=a=b");
    await told("create", "secret", "generic", "s", "-n", "demo", "--from-literal=a=b");
    expect(await told("get", "secret", "s", "-n", "demo", "-o", "jsonpath={.data.a}")).toBe("Yg==");
    await told("delete", "deploy", "web", "-n", "demo");
    expect(await told("get", "deploy", "-n", "demo", "-o", "name")).toBe("");
    await told("delete", "namespace", "demo");
    expect((await kubectl("get", "namespace", "demo")).stderr).toContain("(NotFound)");
  });

  test("applies files again, and rolls a change out, back and anew", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cnilab-kubectl-"));
    try {
      const file = join(folder, "web.yaml");
      const manifest = (image: string, port: string): string =>
        `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web, namespace: applied }\nspec:\n  selector: { matchLabels: { app: web } }\n` +
        `  template:\n    metadata: { labels: { app: web } }\n    spec: { containers: [{ name: web, image: "${image}"${port} }] }\n`;
      await told("create", "namespace", "applied");
      writeFileSync(file, manifest("nginx:1.22", ", ports: [{ containerPort: 80 }]"));
      expect(await told("apply", "-f", file)).toBe("deployment.apps/web created\n");
      expect(await told("apply", "-f", file)).toBe("deployment.apps/web unchanged\n");
      writeFileSync(file, manifest("busybox:1.35", ""));
      expect(await kubectl("diff", "-f", file)).toMatchObject({
        exitCode: 1,
        stdout: expect.stringContaining("busybox:1.35") as string,
      });
      expect(await told("apply", "-f", file)).toBe("deployment.apps/web configured\n");
      const container = "jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].ports}";
      const web = ["deploy/web", "-n", "applied"];
      expect(await told("get", ...web, "-o", container)).toBe("busybox:1.35 ");
      await told("set", "image", ...web, "web=nginx:1.22");
      expect(await told("rollout", "status", ...web, "--timeout=20s")).toContain("successfully rolled out");
      expect(await told("rollout", "history", ...web)).toMatch(/^2 +.*\n3 +/m);
      await told("rollout", "undo", ...web);
      expect(await told("get", ...web, "-o", container)).toBe("busybox:1.35 ");
      await told("rollout", "restart", ...web);
      expect(await told("get", ...web, "-o", "jsonpath={.spec.template.metadata.annotations}")).toContain(
        "restartedAt",
      );
      await told("patch", ...web, "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":2}]');
      await told(
        "patch",
        ...web,
        "-p",
        '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:1.22"}]}}}}',
      );
      await told("wait", "--for=jsonpath={.status.readyReplicas}=2", ...web, "--timeout=20s");
      await told("delete", "-f", file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("is told what it may and who it is", async () => {
    expect(await told("auth", "can-i", "create", "pods")).toBe("yes\n");
    expect(await told("auth", "whoami")).toContain("kubernetes-admin");
  });
});
