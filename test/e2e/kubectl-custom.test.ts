import { afterAll, beforeAll, expect, test } from "vitest";
import { onRig, rigMissing } from "../rig/rig.ts";
import type { Finished } from "./cnilab.ts";
import { KubectlLab } from "./kubectl.ts";

const spec = {
  type: "object",
  required: ["schedule"],
  description: "What is wished for.",
  properties: {
    schedule: { type: "string", pattern: String.raw`^\S+ \S+$`, description: "When it runs." },
    replicas: { type: "integer", minimum: 1, maximum: 5, default: 2 },
    mode: { type: "string", enum: ["full", "incremental"], default: "full" },
  },
};
const version = (name: string, isStorage: boolean): object => ({
  name,
  served: true,
  storage: isStorage,
  subresources: {
    status: {},
    scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
  },
  additionalPrinterColumns: [
    { name: "Schedule", type: "string", jsonPath: ".spec.schedule" },
    { name: "Replicas", type: "integer", jsonPath: ".spec.replicas", priority: 1 },
  ],
  schema: {
    openAPIV3Schema: {
      type: "object",
      properties: { spec, status: { type: "object", properties: { replicas: { type: "integer" } } } },
    },
  },
});
const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "backups.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural: "backups", kind: "Backup", shortNames: ["bk"], categories: ["all"] },
    versions: [version("v1beta1", false), version("v1", true)],
  },
};

/** Custom resources through an unmodified kubectl, as its users see them on a real cluster. */
onRig(rigMissing)("kubectl and kinds of one's own", () => {
  const lab = new KubectlLab();
  const apply = (object: object, ...more: string[]): Promise<Finished> =>
    lab.run(["apply", ...more, "-f", "-"], JSON.stringify(object));
  const backup = (wanted: object, apiVersion = "example.org/v1"): object => ({
    apiVersion,
    kind: "Backup",
    metadata: { name: "nightly" },
    spec: wanted,
  });

  beforeAll(async () => {
    await lab.start("first-lab");
    expect((await apply(definition)).stderr).toBe("");
  }, 60_000);

  afterAll(() => lab.cnilab.remove());

  test("are refused where their schema has it, and what it does not know is told of", async () => {
    const wrong = await apply(backup({ schedule: "daily", mode: "half", replicas: 9 }));
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toContain(
      `* spec.schedule: Invalid value: "daily": spec.schedule in body should match '^\\S+ \\S+$'`,
    );
    expect(wrong.stderr).toContain('* spec.mode: Unsupported value: "half": supported values: "full", "incremental"');
    expect(wrong.stderr).toContain(
      "* spec.replicas: Invalid value: 9: spec.replicas in body should be less than or equal to 5",
    );
    expect((await apply(backup({ schedule: "0 1", colour: "red" }))).stderr).toMatch(
      /Backup in version "v1" cannot be handled as a Backup: strict decoding error: unknown field "spec\.colour"/,
    );
    const dropped = await apply(backup({ schedule: "0 1", colour: "red" }), "--validate=warn");
    expect(dropped).toMatchObject({ exitCode: 0, stderr: 'Warning: unknown field "spec.colour"\n' });
    expect(await lab.told("get", "bk", "nightly", "-o", "jsonpath={.spec}")).toBe(
      '{"mode":"full","replicas":2,"schedule":"0 1"}',
    );
    const broken = { ...definition, metadata: { name: "others.example.org" } };
    expect((await apply(broken)).stderr).toContain('must be spec.names.plural+"."+spec.group');
  });

  test("are listed, scaled, explained and read in each of their versions", async () => {
    expect((await apply(backup({ schedule: "0 2" }, "example.org/v1beta1"))).exitCode).toBe(0);
    expect(await lab.told("get", "bk", "-o", "wide")).toMatch(/^NAME +SCHEDULE +REPLICAS\nnightly +0 2 +2\n$/);
    expect(await lab.told("get", "all")).toContain("backup.example.org/nightly");
    expect(await lab.told("get", "backups.v1beta1.example.org", "-o", "jsonpath={.items[0].apiVersion}")).toBe(
      "example.org/v1beta1",
    );
    expect(await lab.told("api-resources", "--api-group=example.org", "--no-headers")).toMatch(
      /^backups +bk +example\.org\/v1 /,
    );
    await lab.told("scale", "bk", "nightly", "--replicas=4");
    expect(await lab.told("get", "bk", "nightly", "-o", "jsonpath={.spec.replicas}")).toBe("4");
    expect((await lab.run(["scale", "bk", "nightly", "--replicas=40"])).stderr).toContain("less than or equal to 5");
    expect(await lab.told("explain", "bk.spec.schedule")).toMatch(/FIELD: schedule <string>.*When it runs\./s);
    const status = await lab.run([
      "patch",
      "bk",
      "nightly",
      "--subresource=status",
      "--type=merge",
      "-p",
      '{"status":{"replicas":"x"}}',
    ]);
    expect(status.stderr).toContain(
      'status.replicas: Invalid value: "string": replicas in body must be of type integer',
    );
  });
});
