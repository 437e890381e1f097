import { describe, expect, it } from "vitest";
import {
  hostsFile,
  nodeResolvConf,
  nsswitchConf,
  podHostname,
  resolvConf,
} from "../../../../src/engine/nameserver/resolv.ts";
import type { Pod, PodSpec } from "../../../../src/kube/types.ts";

const dns = { dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };

function pod(spec: Partial<PodSpec> = {}, name = "web-0"): Pod {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "shop" }, spec: { containers: [], ...spec } };
}

describe("a pod's resolv.conf", () => {
  it("asks the cluster's DNS by default, with the search path of the pod's namespace", () => {
    expect(resolvConf(pod(), dns)).toBe(
      "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
    );
  });

  it("is the node's for dnsPolicy Default, and for a pod on the node's network that says ClusterFirst", () => {
    expect(resolvConf(pod({ dnsPolicy: "Default" }), dns)).toBe(nodeResolvConf());
    expect(resolvConf(pod({ hostNetwork: true, dnsPolicy: "ClusterFirst" }), dns)).toBe(nodeResolvConf());
    expect(nodeResolvConf()).toBe("nameserver 127.0.0.1\n");
  });

  it("asks the cluster's DNS on the node's network when told so", () => {
    expect(resolvConf(pod({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" }), dns)).toContain(
      "nameserver 10.96.0.10\n",
    );
  });

  it("holds only the pod's own configuration for dnsPolicy None", () => {
    const dnsConfig = {
      nameservers: ["192.0.2.1"],
      searches: ["lab.example"],
      options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
    };
    expect(resolvConf(pod({ dnsPolicy: "None", dnsConfig }), dns)).toBe(
      "search lab.example\nnameserver 192.0.2.1\noptions ndots:2 edns0\n",
    );
  });

  it("adds dnsConfig to the policy's, its options replacing those of the same name", () => {
    const dnsConfig = {
      nameservers: ["10.96.0.10", "192.0.2.1"],
      searches: ["lab.example", "cluster.local"],
      options: [{ name: "ndots", value: "1" }],
    };
    expect(resolvConf(pod({ dnsConfig }), dns)).toBe(
      "search shop.svc.cluster.local svc.cluster.local cluster.local lab.example\nnameserver 10.96.0.10\nnameserver 192.0.2.1\noptions ndots:1\n",
    );
  });

  it("keeps the kubelet's limits: 3 servers, 32 search domains of 2048 characters in all", () => {
    const many = {
      nameservers: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
      searches: Array.from({ length: 40 }, (_, index) => `d${index}.example`),
    };
    const lines = resolvConf(pod({ dnsConfig: many }), dns).split("\n");
    expect(lines.filter((line) => line.startsWith("nameserver"))).toHaveLength(3);
    expect(lines[0]?.split(" ")).toHaveLength(33);
    const long = { searches: Array.from({ length: 20 }, (_, index) => `${String(index).padStart(200, "x")}.example`) };
    const search = resolvConf(pod({ dnsConfig: long }), dns).split("\n")[0] ?? "";
    expect(search.length).toBeLessThanOrEqual("search ".length + 2048);
    expect(search.split(" ")).toHaveLength(13);
  });
});

describe("a pod's hosts file", () => {
  it("is what the kubelet writes", () => {
    expect(hostsFile(pod(), ["10.244.1.2", "fd00::2"], dns)).toBe(
      [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        "10.244.1.2\tweb-0",
        "fd00::2\tweb-0",
        "",
      ].join("\n"),
    );
  });

  it("holds the full name of a pod with a subdomain", () => {
    expect(hostsFile(pod({ hostname: "db-0", subdomain: "db" }), ["10.244.1.2"], dns)).toContain(
      "10.244.1.2\tdb-0.db.shop.svc.cluster.local\tdb-0\n",
    );
  });

  it("ends with the pod's aliases", () => {
    const hostAliases = [{ ip: "192.0.2.1", hostnames: ["a.example", "b.example"] }];
    expect(hostsFile(pod({ hostAliases }), ["10.244.1.2"], dns)).toMatch(
      /web-0\n\n# Entries added by HostAliases\.\n192\.0\.2\.1\ta\.example\tb\.example\n$/,
    );
  });

  it("is the node's on the node's network", () => {
    expect(hostsFile(pod({ hostNetwork: true }), ["192.168.0.2"], dns, "192.168.0.2\tworker1\n")).toBe(
      "# Kubernetes-managed hosts file (host network).\n192.168.0.2\tworker1\n",
    );
  });
});

describe("a pod's names", () => {
  it("cuts a host name to 63 characters that end in a letter or digit", () => {
    expect(podHostname(pod({}, `${"a".repeat(62)}-b`))).toBe("a".repeat(62));
    expect(podHostname(pod({ hostname: "db-0" }))).toBe("db-0");
    expect(podHostname(pod({ hostname: "db-0", hostNetwork: true, nodeName: "worker1" }))).toBe("worker1");
  });

  it("are resolved by files, then DNS, and by no daemon of the host", () => {
    expect(nsswitchConf()).toMatch(/^hosts: files dns$/m);
    expect(nsswitchConf()).not.toMatch(/resolve|mdns|systemd|nis/);
  });
});
