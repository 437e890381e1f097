import { describe, expect, it } from "vitest";
import { environment } from "../../../src/engine/images/process.ts";
import { planContainer } from "../../../src/engine/images/registry.ts";
import { serviceVariables } from "../../../src/engine/service-variables.ts";
import type { Service } from "../../../src/kube/types.ts";
import { pod, service } from "./store/objects.ts";

const api = service("kubernetes", { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443 }] }, "default");
const cache = service("my-cache", { clusterIP: "10.96.7.7", ports: [{ port: 6379 }] }, "shop");
const dns = service(
  "dns",
  {
    clusterIP: "10.96.0.53",
    ports: [
      { name: "dns-tcp", port: 53 },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  },
  "shop",
);
const elsewhere = service("other", { clusterIP: "10.96.8.8" }, "away");
const headless = service("headless", { clusterIP: "None" }, "shop");

function variables(services: Service[], spec: Record<string, unknown> = {}): Record<string, string> {
  return Object.fromEntries(serviceVariables(services, pod("web", { namespace: "shop", spec })));
}

describe("the variables of Services", () => {
  it("are host, ports and Docker's links, of the pod's namespace and of the API", () => {
    expect(variables([api, cache, elsewhere, headless])).toEqual({
      KUBERNETES_SERVICE_HOST: "10.96.0.1",
      KUBERNETES_SERVICE_PORT: "443",
      KUBERNETES_SERVICE_PORT_HTTPS: "443",
      KUBERNETES_PORT: "tcp://10.96.0.1:443",
      KUBERNETES_PORT_443_TCP: "tcp://10.96.0.1:443",
      KUBERNETES_PORT_443_TCP_PROTO: "tcp",
      KUBERNETES_PORT_443_TCP_PORT: "443",
      KUBERNETES_PORT_443_TCP_ADDR: "10.96.0.1",
      MY_CACHE_SERVICE_HOST: "10.96.7.7",
      MY_CACHE_SERVICE_PORT: "6379",
      MY_CACHE_PORT: "tcp://10.96.7.7:6379",
      MY_CACHE_PORT_6379_TCP: "tcp://10.96.7.7:6379",
      MY_CACHE_PORT_6379_TCP_PROTO: "tcp",
      MY_CACHE_PORT_6379_TCP_PORT: "6379",
      MY_CACHE_PORT_6379_TCP_ADDR: "10.96.7.7",
    });
  });

  it("name each port and protocol, the first one without its name too", () => {
    expect(variables([dns])).toMatchObject({
      DNS_SERVICE_PORT: "53",
      DNS_SERVICE_PORT_DNS_TCP: "53",
      DNS_SERVICE_PORT_DNS: "53",
      DNS_PORT: "tcp://10.96.0.53:53",
      DNS_PORT_53_UDP: "udp://10.96.0.53:53",
    });
  });

  it("are those of the API alone where enableServiceLinks is false, and a Service of that name comes first", () => {
    expect(Object.keys(variables([api, cache], { enableServiceLinks: false }))).toHaveLength(8);
    const own = service("kubernetes", { clusterIP: "10.96.9.9" }, "shop");
    expect(variables([api, own])["KUBERNETES_SERVICE_HOST"]).toBe("10.96.9.9");
    expect(variables([own, api])["KUBERNETES_SERVICE_HOST"]).toBe("10.96.9.9");
  });

  it("are in the container's environment, in its arguments, and below its own variables", () => {
    const services = serviceVariables([cache], pod("web", { namespace: "shop" }));
    const env = [
      { name: "CACHE", value: "$(MY_CACHE_SERVICE_HOST):$(MY_CACHE_SERVICE_PORT)" },
      { name: "MY_CACHE_PORT", value: "mine" },
      { name: "UNKNOWN", value: "$(NOBODY)" },
    ];
    const container = { name: "c", image: "hashicorp/http-echo", args: ["-text=$(CACHE)"], env };
    expect(environment(container, services).get("CACHE")).toBe("10.96.7.7:6379");
    expect(environment(container, services).get("MY_CACHE_PORT")).toBe("mine");
    expect(environment(container, services).get("UNKNOWN")).toBe("$(NOBODY)");
    expect(planContainer(container, services).listens[0]?.behaviour).toMatchObject({ text: "10.96.7.7:6379\n" });
    expect(planContainer(container).listens[0]?.behaviour).toMatchObject({
      text: "$(MY_CACHE_SERVICE_HOST):$(MY_CACHE_SERVICE_PORT)\n",
    });
  });
});
