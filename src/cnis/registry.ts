import { calico } from "./calico/calico.ts";
import { flannel } from "./flannel/flannel.ts";
import type { Cni } from "./types.ts";

/** Every CNI that a lab can name; its key is its name in lab files and its page in docs/cnis/. */
export const cnis = { calico, flannel } as const satisfies Record<string, Cni>;

export type CniName = keyof typeof cnis;
