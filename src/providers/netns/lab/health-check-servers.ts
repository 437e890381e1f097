import type { Controller } from "../../../engine/controllers/controller.ts";
import { healthChecks, isNodeEligible, PROXY_HEALTH_PORT } from "../../../engine/nft/health-checks.ts";
import type { Behaviour } from "../../../engine/servers/behaviour.ts";
import type { PodToServe } from "../../../engine/servers/messages.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import type { ServerThread } from "./server-thread.ts";
import type { Underlay } from "./underlay.ts";

const KUBE_PROXY = { namespace: "kube-system", name: "kube-proxy" };

/** The HTTP servers of each node's kube-proxy: of its own health, and at the health-check node ports of Services. */
export class HealthCheckServers {
  private readonly underlay: Underlay;
  private readonly store: ObjectStore;
  private readonly servers: ServerThread;
  private readonly updatedMs: () => number;
  private readonly stopped = new Set<string>();
  /** What each server says, by its key. */
  private readonly served = new Map<string, string>();

  /** `updatedMs`: when kube-proxy last brought its rules up to date. */
  constructor(underlay: Underlay, store: ObjectStore, servers: ServerThread, updatedMs: () => number) {
    this.underlay = underlay;
    this.store = store;
    this.servers = servers;
    this.updatedMs = updatedMs;
  }

  controller(): Controller {
    return {
      name: "health-checks",
      kinds: ["Service", "EndpointSlice", "Node"],
      keysOf: () => ["servers"],
      reconcile: () => this.serve(),
    };
  }

  /** A process that is stopped listens nowhere. */
  async setStopped(node: string, isStopped: boolean): Promise<void> {
    if (isStopped) this.stopped.add(node);
    else this.stopped.delete(node);
    await this.serve();
  }

  private async serve(): Promise<void> {
    const services = this.store.list("Service");
    const slices = this.store.list("EndpointSlice");
    const wanted = new Map<string, { said: string; pod: PodToServe }>();
    for (const [node, { host, primary }] of this.underlay.nodes) {
      if (this.stopped.has(node)) continue;
      const isEligible = isNodeEligible(this.store.get("Node", node));
      const add = (key: string, said: string, port: number, behaviour: Behaviour, service = KUBE_PROXY): void => {
        wanted.set(key, {
          said: `${port} ${said}`,
          pod: {
            key,
            pod: { ...service, hostname: node, ips: primary.addresses },
            netnsFd: host.fd,
            // kube-proxy, which is no pod's: nobody reads its log.
            containers: [],
            listens: [{ container: "kube-proxy", protocol: "TCP", port, behaviour }],
          },
        });
      };
      const text = String(this.updatedMs());
      const ownHealth = { kind: "http", app: "proxy-health", text, isUnready: !isEligible } as const;
      add(`proxy-health/${node}`, String(isEligible), PROXY_HEALTH_PORT, ownHealth);
      for (const { service, port, status, body } of healthChecks(services, slices, node)) {
        const key = `health-check/${node}/${service.namespace}/${service.name}`;
        add(key, body, port, { kind: "http", app: "fixed-json", text: body, status }, service);
      }
    }
    const changed = [...wanted].filter(([key, { said }]) => this.served.get(key) !== said);
    const gone = [...this.served.keys()].filter((key) => !wanted.has(key));
    if (gone.length > 0) await this.servers.stop(gone);
    for (const key of gone) this.served.delete(key);
    if (changed.length === 0) return;
    const results = await this.servers.start(changed.map(([, { pod }]) => pod));
    for (const [index, [key, { said }]] of changed.entries()) {
      const error = results[index]?.find((each) => each.error !== undefined)?.error;
      // Somebody's host network may have the port; it is tried again.
      if (error !== undefined) throw new Error(`${key}: ${error.message}`);
      this.served.set(key, said);
    }
  }
}
