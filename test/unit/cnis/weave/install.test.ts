import { describe, expect, it } from "vitest";
import { weaveInstall } from "../../../../src/cnis/weave/install.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { imagesOf } from "../../../../src/providers/real/upstream-manifest.ts";
import { daemonSet, envOf, installConfig } from "../install-world.ts";

function manifest(tag = "latest"): KubeObject[] {
  const pull = "Always";
  return [
    daemonSet("weave-net", [
      { name: "weave-init", init: true, image: `rajchaudhuri/weave-kube:${tag}`, pull },
      { name: "weave", image: `rajchaudhuri/weave-kube:${tag}`, pull, env: { INIT_CONTAINER: "true" } },
      { name: "weave-npc", image: `rajchaudhuri/weave-npc:${tag}`, pull },
    ]),
  ];
}

const config = (mode: string, options = {}): ReturnType<typeof installConfig> =>
  installConfig({ mode, podCidr: "10.32.0.0/12", mtu: 1376, options });

describe("weave's manifest", () => {
  it("runs a pinned release, from images that are there already", () => {
    const { objects } = weaveInstall.patch(manifest(), config("sleeve"));
    expect(imagesOf(objects)).toEqual(["rajchaudhuri/weave-kube:2.9.0", "rajchaudhuri/weave-npc:2.9.0"]);
    expect(JSON.stringify(objects)).not.toContain("Always");
  });

  it("is refused where it names a release already", () => {
    expect(() => weaveInstall.patch(manifest("2.9.0"), config("sleeve"))).toThrow(
      expect.objectContaining({ code: "CNI_MANIFEST_UNEXPECTED" }),
    );
  });

  it("allocates from the pod network; sleeve alone goes without the fast data path", () => {
    const env = { IPALLOC_RANGE: "10.32.0.0/12", WEAVE_MTU: "1376", INIT_CONTAINER: "true" };
    expect(envOf(weaveInstall.patch(manifest(), config("fastdp")).objects, "weave")).toEqual(env);
    expect(envOf(weaveInstall.patch(manifest(), config("sleeve")).objects, "weave")).toEqual({
      ...env,
      WEAVE_NO_FASTDP: "1",
    });
  });

  it("encrypts with the cluster's password, kept in a Secret, only where the lab asks for it", () => {
    const { objects } = weaveInstall.patch(manifest(), config("sleeve", { encrypted: true }));
    expect(objects[0]).toMatchObject({ kind: "Secret", stringData: { "weave-passwd": "drawn-at-random" } });
    expect(envOf(objects, "weave")["WEAVE_PASSWORD"]).toEqual({
      secretKeyRef: { name: "weave-passwd", key: "weave-passwd" },
    });
    const plain = weaveInstall.patch(manifest(), config("sleeve", { encrypted: false })).objects;
    expect(plain.map(({ kind }) => kind)).toEqual(["DaemonSet"]);
    expect(Object.keys(envOf(plain, "weave"))).not.toContain("WEAVE_PASSWORD");
  });

  it("rules that weave-npc adds with the first policy of egress, and counts on from then on, are known", () => {
    const isLasting = (fact: string): boolean => weaveInstall.lastingRules?.some((rule) => rule.test(fact)) ?? false;
    const chain = "iptables filter -A WEAVE-NPC-EGRESS";
    expect(isLasting(`${chain} -m mark ! --mark 0x40000/0x40000 -j DROP`)).toBe(true);
    const logged = `${chain} -m state --state NEW -m mark ! --mark 0x40000/0x40000 -j NFLOG --nflog-group 86`;
    expect(isLasting(logged)).toBe(true);
    const own = `${chain} -m state --state NEW -m mark ! --mark 0x40000/0x40000 -j WEAVE-NPC-EGRESS-CUSTOM`;
    expect(isLasting(own)).toBe(false);
    expect(isLasting(`${chain}-CUSTOM -p tcp -j DROP`)).toBe(false);
  });
});
