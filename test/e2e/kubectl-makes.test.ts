import { afterAll, beforeAll, expect, test } from "vitest";
import { onRig, rigMissing } from "../rig/rig.ts";
import { KubectlLab } from "./kubectl.ts";

/** What an unmodified kubectl of the rig makes in a lab without a manifest. */
onRig(rigMissing)("kubectl makes objects", () => {
  let lab: KubectlLab;

  beforeAll(async () => {
    lab = await new KubectlLab().start("first-lab");
    await lab.told("create", "namespace", "m");
  }, 60_000);

  afterAll(() => lab.cnilab.remove());

  test("of a pod that runs, and a Service before it", { timeout: 60_000 }, async () => {
    expect(await lab.told("run", "web", "-n", "m", "--image=nginx:1.22", "--port=80")).toBe("pod/web created\n");
    await lab.told("wait", "--for=condition=Ready", "pod/web", "-n", "m", "--timeout=20s");
    await lab.told("expose", "pod", "web", "-n", "m", "--port=80");
    await expect.poll(() => lab.told("get", "ep", "web", "-n", "m")).toMatch(/web +\d+\.\d+\.\d+\.\d+:80/);
  });

  test.each([
    ["ingress", "i", "--rule=example.org/=web:80"],
    ["service", "clusterip", "s", "--tcp=80:80"],
    ["service", "nodeport", "n", "--tcp=80:80"],
    ["job", "j", "--image=busybox:1.35", "--", "true"],
    ["cronjob", "c", "--image=busybox:1.35", "--schedule=* * * * *", "--", "true"],
    ["configmap", "c", "--from-literal=a=b"],
    ["quota", "q", "--hard=pods=9"],
    ["role", "r", "--verb=get", "--resource=pods"],
    ["rolebinding", "r", "--role=r", "--user=jane"],
    ["serviceaccount", "s"],
    ["poddisruptionbudget", "p", "--selector=app=none", "--min-available=1"],
  ])("by create %s %s", async (...args) => {
    const dashes = args.indexOf("--");
    const [kind, own] = dashes < 0 ? [args, []] : [args.slice(0, dashes), args.slice(dashes)];
    expect(await lab.told("create", ...kind, "-n", "m", "-o", "name", ...own)).toMatch(/^\S+\/\w\n$/);
  });

  test("by an editor, with what it wrote", async () => {
    const edited = await lab.run(["edit", "configmap", "c", "-n", "m"], "", {
      KUBE_EDITOR: "sed -i s/a:.b/a:\\ edited/",
    });
    expect(edited).toMatchObject({ exitCode: 0, stdout: "configmap/c edited\n" });
    expect(await lab.told("get", "cm", "c", "-n", "m", "-o", "jsonpath={.data.a}")).toBe("edited");
    const broken = await lab.run(["edit", "service", "web", "-n", "m"], "", {
      KUBE_EDITOR: "sed -i s/selector:/selectr:/",
    });
    expect(broken.exitCode).toBe(1);
  });

  test("by autoscale, in the version that it prefers", async () => {
    await lab.told("create", "deployment", "scaled", "-n", "m", "--image=nginx:1.22");
    await lab.told("autoscale", "deployment", "scaled", "-n", "m", "--min=2", "--max=4");
    expect(
      await lab.told("get", "hpa", "scaled", "-n", "m", "-o", "jsonpath={.spec.minReplicas} {.spec.maxReplicas}"),
    ).toBe("2 4");
    expect(await lab.told("get", "hpa", "-n", "m")).toMatch(/scaled/);
    await lab.told("delete", "hpa,deploy", "scaled", "-n", "m");
  });

  test("of the kinds that there are, and says that there are no metrics", async () => {
    expect(await lab.told("api-resources", "-o", "wide")).toMatch(
      /horizontalpodautoscalers +hpa +autoscaling\/v2 +true/,
    );
    expect(await lab.told("api-versions")).toContain("networking.k8s.io/v1\n");
    for (const what of ["pods", "nodes"])
      expect(await lab.run(["top", what])).toMatchObject({ exitCode: 1, stderr: "error: Metrics API not available\n" });
  });
});
