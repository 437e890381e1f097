import type { ControlPlane } from "../../../../src/engine/control-plane.ts";
import type { RequestReading } from "../../../../src/engine/metrics/metrics-server.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { settledControlPlane } from "../fake-runtime.ts";
import { HandClock } from "../hand-clock.ts";
import { deployment } from "../store/objects.ts";

/** A control plane whose clock is moved by hand, and whose pods of label app=web share a load. */
export class LoadedPlane {
  plane!: ControlPlane;
  readonly clock = new HandClock();
  /** Requests a second, of all pods together. */
  rate = 0;
  private readonly answered = new Map<string, number>();
  private countedMs = 0;

  async start({ hasMetrics = true } = {}): Promise<this> {
    const readRequests = hasMetrics ? () => Promise.resolve(this.read()) : undefined;
    ({ plane: this.plane } = await settledControlPlane({ clock: this.clock, readRequests }));
    return this;
  }

  private read(): RequestReading {
    const pods = this.plane?.store.list("Pod", "default") ?? [];
    const now = this.clock.nowMs();
    const each = (this.rate * (now - this.countedMs)) / 1000 / Math.max(1, pods.length);
    this.countedMs = now;
    for (const { metadata } of pods)
      this.answered.set(metadata.uid ?? "", (this.answered.get(metadata.uid ?? "") ?? 0) + each);
    return {
      atMs: now,
      pods: new Map(pods.map(({ metadata: { uid = "" } }) => [uid, new Map([["main", this.answered.get(uid) ?? 0]])])),
    };
  }

  /** A Deployment `web` whose requests cost 10 ms, and what else is given. */
  async apply(more: KubeObject[], options: { cpu?: string | undefined; replicas?: number } = {}): Promise<void> {
    const { replicas = 1, cpu } = { cpu: "100m", ...options };
    const web = deployment("web", { replicas });
    web.spec.template.metadata = {
      ...web.spec.template.metadata,
      annotations: { "cnilab.dev/cpu-per-request": "10ms" },
    };
    const resources = cpu === undefined ? {} : { requests: { cpu } };
    web.spec.template.spec.containers = [{ name: "main", image: "nginx", resources }];
    this.plane.apply([web, ...more]);
    await this.plane.settle();
  }

  /** Time passes, a second at a time. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.clock.advance(1000);
      await this.plane.settle();
    }
  }

  replicas(): number | undefined {
    return this.plane.store.get("Deployment", "web", "default")?.spec.replicas;
  }

  /** `REASON MESSAGE` of the autoscaler's events, oldest first. */
  events(): string[] {
    return this.plane.store
      .all({ kind: "Event", namespace: "default" })
      .filter((event) => (event["involvedObject"] as { kind: string }).kind === "HorizontalPodAutoscaler")
      .map((event) => `${String(event["reason"])} ${String(event["message"])}`);
  }
}
