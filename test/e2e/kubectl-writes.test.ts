import { afterAll, beforeAll, expect, test } from "vitest";
import { onRig, rigMissing } from "../rig/rig.ts";
import { KubectlLab } from "./kubectl.ts";

/** What an unmodified kubectl of the rig changes in a lab. */
onRig(rigMissing)("kubectl changes a lab", () => {
  let lab: KubectlLab;

  beforeAll(async () => {
    lab = await new KubectlLab().start("first-lab");
    await lab.told("create", "namespace", "w");
  }, 60_000);

  afterAll(() => lab.cnilab.remove());

  test("by server-side apply, which tells who owns what another wants", async () => {
    const map = (value: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c, namespace: w }\ndata: { a: "${value}" }\n`;
    const apply = ["apply", "--server-side", "-f", "-"];
    expect((await lab.run(apply, map("1"))).stdout).toBe("configmap/c serverside-applied\n");
    expect(await lab.told("get", "cm", "c", "-n", "w", "-o", "yaml")).not.toContain("managedFields");
    expect(await lab.told("get", "cm", "c", "-n", "w", "-o", "yaml", "--show-managed-fields")).toContain("f:data:");
    await lab.told("patch", "cm", "c", "-n", "w", "--field-manager=other", "-p", '{"data":{"a":"2"}}');
    const refused = await lab.run(apply, map("1"));
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('Apply failed with 1 conflict: conflict with "other" using v1: .data.a');
    expect((await lab.run([...apply, "--force-conflicts"], map("1"))).exitCode).toBe(0);
    expect(await lab.told("get", "cm", "c", "-n", "w", "-o", "jsonpath={.data.a}")).toBe("1");
    // What a client-side apply made is taken over without a conflict.
    expect((await lab.run(["apply", "-f", "-"], map("1").replace("name: c", "name: d"))).exitCode).toBe(0);
    const taken = await lab.run(apply, map("2").replace("name: c", "name: d"));
    expect(taken.exitCode, taken.stderr).toBe(0);
  });

  test("with its fields explained, and misspelt ones refused", async () => {
    const replicas = await lab.told("explain", "deployment.spec.replicas");
    expect(replicas).toMatch(/FIELD: replicas <integer>\n+DESCRIPTION:\n +Number of desired pods\./);
    expect(await lab.told("explain", "pod.spec", "--recursive")).toMatch(/containerPort\s+<integer>/);
    const misspelt =
      "apiVersion: v1\nkind: Service\nmetadata: { name: s, namespace: w }\nspec: { selectr: {}, ports: [{ port: 80 }] }\n";
    const refused = await lab.run(["apply", "--validate=strict", "-f", "-"], misspelt);
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('unknown field "spec.selectr"') as string,
    });
  });

  test("from the pods up or leaving them, as a deletion asks", { timeout: 60_000 }, async () => {
    const make = ["create", "deployment", "owner", "-n", "w", "--image=nginx:1.22"];
    const pods = ["get", "pods", "-n", "w", "-l", "app=owner", "-o", "name"];
    await lab.told(...make);
    await lab.told("wait", "--for=condition=Available", "deploy/owner", "-n", "w", "--timeout=20s");
    await lab.told("delete", "deploy/owner", "-n", "w", "--cascade=foreground", "--timeout=20s");
    expect(await lab.told(...pods)).toBe("");
    await lab.told(...make);
    await lab.told("wait", "--for=condition=Available", "deploy/owner", "-n", "w", "--timeout=20s");
    await lab.told("delete", "deploy/owner", "-n", "w", "--cascade=orphan");
    expect(
      await lab.told("get", "rs", "-n", "w", "-l", "app=owner", "-o", "jsonpath={.items[*].metadata.ownerReferences}"),
    ).toBe("");
    expect(await lab.told(...pods)).toMatch(/^pod\/owner-\S+\n$/);
    await lab.told("delete", "rs", "-n", "w", "-l", "app=owner");
  });

  test("by draining a node, as far as a budget allows", { timeout: 60_000 }, async () => {
    await lab.told("create", "deployment", "kept", "-n", "w", "--image=nginx:1.22", "--replicas=2");
    await lab.told("wait", "--for=condition=Available", "deploy/kept", "-n", "w", "--timeout=20s");
    await lab.told("create", "poddisruptionbudget", "all", "-n", "w", "--selector=app=kept", "--min-available=2");
    await lab.told("wait", "--for=jsonpath={.status.currentHealthy}=2", "pdb/all", "-n", "w", "--timeout=10s");
    const nodeOf = ["get", "pods", "-n", "w", "-l", "app=kept", "-o", "jsonpath={.items[0].spec.nodeName}"];
    const node = await lab.told(...nodeOf);
    const [, pod = ""] = (await lab.told("get", "pods", "-n", "w", "-l", "app=kept", "-o", "name")).split(/[/\n]/);
    const eviction = `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"${pod}"}}`;
    const refused = await lab.run(
      ["create", "--raw", `/api/v1/namespaces/w/pods/${pod}/eviction`, "-f", "-"],
      eviction,
    );
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
    await lab.told("delete", "pdb", "all", "-n", "w");
    expect(await lab.told("drain", node, "--ignore-daemonsets", "--pod-selector=app=kept", "--timeout=20s")).toContain(
      `node/${node} drained`,
    );
    expect(await lab.told("get", "node", node)).toContain("SchedulingDisabled");
    const there = [
      "get",
      "pods",
      "-n",
      "w",
      "-l",
      "app=kept",
      "--field-selector",
      `spec.nodeName=${node}`,
      "-o",
      "name",
    ];
    expect(await lab.told(...there)).toBe("");
    await lab.told("uncordon", node);
    expect(await lab.told("get", "node", node)).not.toContain("SchedulingDisabled");
    await lab.told("delete", "deploy", "kept", "-n", "w");
  });

  test("with kinds of its own: defined, established, applied, patched and explained", { timeout: 60_000 }, async () => {
    const schema =
      "{ type: object, properties: { spec: { type: object, properties: { target: { type: string } } }, status: { type: object, x-kubernetes-preserve-unknown-fields: true } } }";
    const definition =
      "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: routes.example.org }\nspec:\n" +
      "  group: example.org\n  scope: Namespaced\n  names: { plural: routes, singular: route, kind: Route, shortNames: [rt] }\n" +
      `  versions: [{ name: v1, served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: ${schema} } }]\n`;
    expect((await lab.run(["create", "-f", "-"], definition)).stderr).toBe("");
    await lab.told("wait", "--for=condition=Established", "crd/routes.example.org", "--timeout=10s");
    const route = (target: string): string =>
      `apiVersion: example.org/v1\nkind: Route\nmetadata: { name: r, namespace: w }\nspec: { target: ${target} }\n`;
    expect(await lab.run(["apply", "-f", "-"], route("a"))).toMatchObject({ stdout: "route.example.org/r created\n" });
    expect(await lab.run(["apply", "-f", "-"], route("b"))).toMatchObject({
      stdout: "route.example.org/r configured\n",
    });
    expect((await lab.run(["apply", "--server-side", "-f", "-"], route("b"))).exitCode).toBe(0);
    await lab.told(
      "patch",
      "rt",
      "r",
      "-n",
      "w",
      "--type=merge",
      "--subresource=status",
      "-p",
      '{"status":{"ready":true},"spec":{"target":"c"}}',
    );
    expect(await lab.told("get", "rt", "r", "-n", "w", "-o", "jsonpath={.spec.target} {.status.ready}")).toBe("b true");
    expect(await lab.told("explain", "route.spec.target")).toContain("target <string>");
    await lab.told("delete", "crd", "routes.example.org");
    expect((await lab.run(["get", "routes", "-n", "w"])).stderr).toContain("(NotFound)");
    // Its objects went with it.
    expect((await lab.run(["create", "-f", "-"], definition)).stderr).toBe("");
    expect(await lab.told("get", "routes", "-n", "w", "-o", "name")).toBe("");
  });
});
