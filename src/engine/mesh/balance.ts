import type { Random } from "../seeded-random.ts";
import type { Cluster, UpstreamEndpoint } from "./destination-rule.ts";

/** How one sidecar spreads its requests over the endpoints of each cluster. */
export class Balance {
  private readonly random: Random;
  /** Of each cluster, how many times it was asked in turn. */
  private readonly turns = new Map<string, number>();
  /** Requests that are under way, by cluster and endpoint. */
  private readonly active = new Map<string, number>();

  constructor(random: Random) {
    this.random = random;
  }

  /** An endpoint of the cluster, other than those that were tried, while there is one; undefined where it has none. */
  choose(cluster: Cluster, tried: readonly UpstreamEndpoint[] = []): UpstreamEndpoint | undefined {
    const isTried = ({ address, port }: UpstreamEndpoint): boolean =>
      tried.some((each) => each.address === address && each.port === port);
    const fresh = cluster.endpoints.filter((endpoint) => !isTried(endpoint));
    const among = fresh.length > 0 ? fresh : cluster.endpoints;
    const any = (): UpstreamEndpoint | undefined => among[Math.floor(this.random() * among.length)];
    switch (cluster.balancer) {
      case "RANDOM":
        return any();
      case "ROUND_ROBIN": {
        const turn = this.turns.get(cluster.name) ?? Math.floor(this.random() * among.length);
        this.turns.set(cluster.name, turn + 1);
        return among[turn % among.length];
      }
      // The less busy of two (envoyproxy.io … upstream/load_balancing/load_balancers, weighted least request).
      case "LEAST_REQUEST": {
        const [one, other] = [any(), any()];
        if (one === undefined || other === undefined) return one;
        return this.load(cluster, other) < this.load(cluster, one) ? other : one;
      }
    }
  }

  /** Counts a request to the endpoint until the function it gives is called. */
  begin(cluster: Cluster, endpoint: UpstreamEndpoint): () => void {
    const key = keyOf(cluster, endpoint);
    this.active.set(key, (this.active.get(key) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.active.set(key, (this.active.get(key) ?? 1) - 1);
    };
  }

  private load(cluster: Cluster, endpoint: UpstreamEndpoint): number {
    return this.active.get(keyOf(cluster, endpoint)) ?? 0;
  }
}

function keyOf({ name }: Cluster, { address, port }: UpstreamEndpoint): string {
  return `${name} ${address} ${port}`;
}
