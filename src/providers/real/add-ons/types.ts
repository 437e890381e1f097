import type { KubeObject } from "../../../kube/types.ts";
import type { AddOn } from "../../../plan/types.ts";
import type { Supplies } from "../../../supplies/types.ts";
import type { KubernetesApi } from "../api/kubernetes-api.ts";

/** What add-ons need of the API server. */
export type AddOnApi = Pick<KubernetesApi, "apply" | "until"> & {
  connection: Pick<KubernetesApi["connection"], "send">;
};

/** What an add-on's installation is given. */
export interface AddOnContext {
  api: AddOnApi;
  /** All that the cluster gets: an Ingress controller has an address of its own where MetalLB is one of them. */
  addOns: readonly AddOn[];
  /** CIDRs of the Docker network that the nodes are in, one a family, IPv4 first. */
  nodeNetworkSubnets: readonly string[];
  supplies: Pick<Supplies, "file">;
  signal: AbortSignal;
  progress: (message: string) => void;
}

/** One thing that can be put on a real cluster beside its CNI. */
export interface AddOnInstall {
  version: string;
  /** Everything it makes is in this namespace or of the cluster. */
  namespace: string;
  /** Names of the lock. */
  files: readonly string[];
  /** What it makes is there before the others': they read its kinds from their start. */
  isFirst?: true;
  objects(supplies: Pick<Supplies, "file">, addOns: readonly AddOn[]): Promise<KubeObject[]>;
  /** Resolves when what was applied does its work; ADD_ON_NOT_READY says what was missing. */
  ready(context: AddOnContext): Promise<void>;
}
