import { describe, expect, it } from "vitest";
import { mountedFiles } from "../../../src/engine/mounted-files.ts";
import type { Container, KubeObject } from "../../../src/kube/types.ts";
import { pod } from "./store/objects.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const objects: Record<string, KubeObject> = {
  "Secret/web-tls": {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "web-tls", namespace: "shop" },
    data: { "tls.crt": base64("certificate"), "tls.key": base64("old") },
    stringData: { "tls.key": "key" },
  },
  "ConfigMap/site": {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "site", namespace: "shop" },
    data: { "index.html": "hello" },
    binaryData: { logo: base64("logo") },
  },
};

function mount(volume: Record<string, unknown>, mounted: Record<string, unknown>) {
  const web = pod("web");
  web.spec["volumes"] = [{ name: "v", ...volume }];
  const container: Container = { name: "c", image: "agnhost", volumeMounts: [{ name: "v", ...mounted }] };
  const { read, fault } = mountedFiles(web, (kind, name) => objects[`${kind}/${name}`]);
  return { read: (path: string) => read(container, path), fault };
}

describe("files that Secrets and ConfigMaps bring", () => {
  it("are at their keys below the place where they are mounted", () => {
    const { read, fault } = mount({ secret: { secretName: "web-tls" } }, { mountPath: "/certs/" });
    expect([read("/certs/tls.crt"), read("/certs/tls.key"), read("/certs//../certs/tls.crt")]).toEqual([
      "certificate",
      "key",
      "certificate",
    ]);
    expect([read("/certs/ca.crt"), read("/etc/tls.crt"), read("/certs")]).toEqual([undefined, undefined, undefined]);
    expect(fault).toBeUndefined();
    const { read: config } = mount({ configMap: { name: "site" } }, { mountPath: "/www" });
    expect([config("/www/index.html"), config("/www/logo")]).toEqual(["hello", "logo"]);
  });

  it("are chosen by items, subPath and projected volumes", () => {
    const items = [{ key: "tls.crt", path: "server/cert.pem" }];
    const chosen = mount({ secret: { secretName: "web-tls", items } }, { mountPath: "/c" });
    expect([chosen.read("/c/server/cert.pem"), chosen.read("/c/tls.key")]).toEqual(["certificate", undefined]);
    const one = mount({ secret: { secretName: "web-tls" } }, { mountPath: "/etc/server.crt", subPath: "tls.crt" });
    expect(one.read("/etc/server.crt")).toBe("certificate");
    const sources = [{ secret: { name: "web-tls" } }, { configMap: { name: "site" } }, { serviceAccountToken: {} }];
    const both = mount({ projected: { sources } }, { mountPath: "/all" });
    expect([both.read("/all/tls.key"), both.read("/all/index.html")]).toEqual(["key", "hello"]);
  });

  it("keep a pod from being started where they are missing, unless they are optional", () => {
    expect(mount({ secret: { secretName: "ghost" } }, { mountPath: "/c" }).fault).toBe(
      'MountVolume.SetUp failed for volume "v": secret "ghost" not found',
    );
    expect(mount({ configMap: { name: "site", items: [{ key: "x", path: "x" }] } }, { mountPath: "/c" }).fault).toBe(
      'MountVolume.SetUp failed for volume "v": references non-existent config key: x',
    );
    expect(mount({ secret: { secretName: "ghost", optional: true } }, { mountPath: "/c" }).fault).toBeUndefined();
    expect(mount({ configMap: { name: "kube-root-ca.crt" } }, { mountPath: "/c" }).fault).toBeUndefined();
    expect(mount({ emptyDir: {} }, { mountPath: "/c" }).fault).toBeUndefined();
  });
});
