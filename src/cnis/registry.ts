import { calico } from "./calico/calico.ts";
import { flannel } from "./flannel/flannel.ts";
import type { Cni } from "./types.ts";
import { weave } from "./weave/weave.ts";

/**
 * Every CNI that a lab can name; its key is its name in lab files and its page in docs/cnis/. The next one, Cilium say, is a
 * folder here, a line below, its manifest in src/supplies/lock.json and a page: docs/architecture.md, "A further CNI".
 */
export const cnis = { calico, flannel, weave } as const satisfies Record<string, Cni>;

export type CniName = keyof typeof cnis;
