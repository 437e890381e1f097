import { shuffled, type Choice } from "./balancer.ts";

/** A request is answered with this status by the proxy itself. */
export interface OwnAnswer {
  status: number;
}

/** One that has a part of the requests. */
export interface WeightedChild {
  weight: number;
  choose(cookieHeader: string | undefined): Choice | OwnAnswer | undefined;
}

/**
 * Traefik's weighted round robin over services (pkg/server/service/loadbalancer/wrr): each gets its next request 1/weight after its last one, and the
 * earliest is taken. So of nine to one every tenth request is the other's, and not one of ten by chance.
 */
export class WeightedBalancer {
  private readonly children: { child: WeightedChild; deadline: number }[];

  constructor(children: readonly WeightedChild[], random: () => number) {
    this.children = shuffled(
      children.filter(({ weight }) => weight > 0),
      random,
    ).map((child) => ({ child, deadline: 1 / child.weight }));
  }

  /** Undefined where nobody is available. */
  choose(cookieHeader: string | undefined): Choice | OwnAnswer | undefined {
    const [first, ...others] = this.children;
    if (first === undefined) return undefined;
    const next = others.reduce((best, each) => (each.deadline < best.deadline ? each : best), first);
    next.deadline += 1 / next.child.weight;
    return next.child.choose(cookieHeader);
  }
}
