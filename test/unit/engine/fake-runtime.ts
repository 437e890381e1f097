import { createControlPlane, type ControlPlane, type ControlPlaneOptions } from "../../../src/engine/control-plane.ts";
import type { EngineNode } from "../../../src/engine/controllers/nodes.ts";
import type { ContainerStart, PodRuntime, PodStart, PodStartFailure } from "../../../src/engine/pod-runtime.ts";
import type { Pod } from "../../../src/kube/types.ts";

/** A runtime that gives addresses and does nothing else; tests change what it answers. */
export class FakeRuntime implements PodRuntime {
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  readonly restarted: string[] = [];
  readonly killed: string[] = [];
  batches = 0;
  /** What becomes of a pod; undefined: all its containers run. */
  outcome: (pod: Pod) => PodStart | PodStartFailure | undefined = () => undefined;
  private next = 1;

  start(pods: readonly Pod[]): Promise<(PodStart | PodStartFailure)[]> {
    this.batches += 1;
    return Promise.resolve(
      pods.map((pod) => {
        this.started.push(pod.metadata.name);
        return (
          this.outcome(pod) ?? {
            podIPs: [this.address()],
            containers: pod.spec.containers.map(({ name }) => ({ name, state: { kind: "running" as const } })),
          }
        );
      }),
    );
  }

  address(): string {
    const number = this.next++;
    return `10.244.${Math.floor(number / 250)}.${(number % 250) + 1}`;
  }

  /** What becomes of a container that is started again; undefined: it runs. */
  again: (pod: Pod, container: string) => ContainerStart["state"] | undefined = () => undefined;

  restart(pod: Pod, containers: readonly string[]): Promise<ContainerStart[]> {
    this.restarted.push(...containers);
    return Promise.resolve(containers.map((name) => ({ name, state: this.again(pod, name) ?? { kind: "running" } })));
  }

  /** How a kill fails; undefined: it does not. */
  killFault: () => Error | undefined = () => undefined;

  kill(_pod: Pod, containers: readonly string[]): Promise<void> {
    const fault = this.killFault();
    if (fault !== undefined) return Promise.reject(fault);
    this.killed.push(...containers);
    return Promise.resolve();
  }

  stop(pods: readonly Pod[]): Promise<void> {
    this.stopped.push(...pods.map(({ metadata }) => metadata.name));
    return Promise.resolve();
  }
}

/** A control plane node with kubeadm's taint, and workers. */
export function nodes(...workers: string[]): EngineNode[] {
  const node = (name: string, index: number): EngineNode => ({
    name,
    role: index === 0 ? "control-plane" : "worker",
    labels: {},
    taints: index === 0 ? [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] : [],
    interfaces: [{ addresses: [`172.18.0.${index + 2}`] }],
  });
  return ["control-plane", ...workers].map(node);
}

/** A settled control plane of three nodes on a {@link FakeRuntime}. */
export async function settledControlPlane(
  options: Partial<ControlPlaneOptions> = {},
): Promise<{ plane: ControlPlane; runtime: FakeRuntime }> {
  const runtime = new FakeRuntime();
  const cluster = { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
  const plane = createControlPlane({ nodes: nodes("worker1", "worker2"), cluster, runtime, ...options });
  await plane.settle();
  return { plane, runtime };
}
