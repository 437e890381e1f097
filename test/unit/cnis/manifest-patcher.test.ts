import { describe, expect, it } from "vitest";
import { ManifestPatcher } from "../../../src/cnis/manifest-patcher.ts";
import { configMap, daemonSet, envOf } from "./install-world.ts";

const AGENT = { object: "DaemonSet kube-system/agent", container: "agent" };

function patcher(): ManifestPatcher {
  return new ManifestPatcher("example", [
    daemonSet("agent", [{ name: "agent", env: { MODE: "slow" } }]),
    configMap("config", "kube-system", { mtu: "0", "net.json": '{"Network": "10.0.0.0/8"}', text: "no JSON" }),
  ]);
}

const unexpected = (message: string): unknown =>
  expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED", message: expect.stringContaining(message) });

describe("a change to an upstream manifest", () => {
  it("is made and written down with its reason", () => {
    const changed = patcher();
    changed.setEnv(AGENT, "MODE", { from: "slow", to: "fast", why: "mode fast" });
    expect(envOf(changed.objects, "agent")).toEqual({ MODE: "fast" });
    expect(changed.patches).toEqual([
      {
        what: "DaemonSet kube-system/agent: .spec.template.spec.containers[agent].env[MODE].value is fast",
        why: "mode fast",
      },
    ]);
  });

  it("leaves what it was given as it was", () => {
    const given = [configMap("config", "kube-system", { mtu: "0" })];
    const changed = new ManifestPatcher("example", given);
    changed.set("ConfigMap kube-system/config", ["data", "mtu"], { from: "0", to: "1400", why: "mtu" });
    expect(given[0]?.["data"]).toEqual({ mtu: "0" });
    expect(changed.objects[0]?.["data"]).toEqual({ mtu: "1400" });
  });

  it("is not written down where all is as wanted, which is checked all the same", () => {
    const changed = patcher();
    changed.setEnv(AGENT, "MODE", { from: "slow", to: "slow", why: "mode slow" });
    expect(changed.patches).toEqual([]);
    expect(() => changed.setEnv(AGENT, "MODE", { from: "fast", to: "fast", why: "mode fast" })).toThrow(
      unexpected('is "slow", not "fast"'),
    );
  });

  it("is refused where the manifest is of another shape", () => {
    const change = { from: "slow", to: "fast", why: "mode fast" };
    expect(() => patcher().setEnv({ ...AGENT, object: "DaemonSet agent" }, "MODE", change)).toThrow(
      unexpected("it has no DaemonSet agent"),
    );
    expect(() => patcher().setEnv({ ...AGENT, container: "other" }, "MODE", change)).toThrow(
      unexpected("has no .spec.template.spec.containers[other]"),
    );
    expect(() => patcher().setEnv(AGENT, "SPEED", change)).toThrow(unexpected(".env[SPEED]"));
    expect(() =>
      patcher().set("ConfigMap kube-system/config", ["data", "mut"], { from: "0", to: "1", why: "" }),
    ).toThrow(unexpected(".data.mut is undefined"));
  });

  it("adds a variable once", () => {
    const changed = patcher();
    changed.addEnv(AGENT, { name: "CIDR", value: "10.1.0.0/16" }, "pod network");
    expect(envOf(changed.objects, "agent")).toEqual({ CIDR: "10.1.0.0/16", MODE: "slow" });
    expect(() => changed.addEnv(AGENT, { name: "MODE", value: "fast" }, "mode fast")).toThrow(
      unexpected("has a variable MODE already"),
    );
  });

  it("changes a JSON text inside a ConfigMap, and refuses one that is none", () => {
    const changed = patcher();
    const edit = (key: string): void =>
      changed.setJson("ConfigMap kube-system/config", ["data", key], "Network is 10.1.0.0/16", {
        change: (value) => (value["Network"] = "10.1.0.0/16"),
        why: "pod network",
      });
    edit("net.json");
    expect(changed.objects[1]?.["data"]).toMatchObject({ "net.json": '{\n  "Network": "10.1.0.0/16"\n}\n' });
    edit("net.json");
    expect(changed.patches).toHaveLength(1);
    expect(() => edit("text")).toThrow(unexpected(".data.text is no JSON text"));
    expect(() => edit("mtu")).toThrow(unexpected(".data.mtu is no JSON object"));
  });

  it("adds an object before the others, unless there is one", () => {
    const changed = patcher();
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "password", namespace: "kube-system" } };
    changed.addObject(secret, "encryption");
    expect(changed.objects[0]).toEqual(secret);
    expect(changed.patches).toEqual([{ what: "Secret kube-system/password is added", why: "encryption" }]);
    expect(() => changed.addObject(secret, "encryption")).toThrow(
      unexpected("has a Secret kube-system/password already"),
    );
  });
});
