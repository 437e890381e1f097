import type { NetworkPolicy, Protocol } from "../src/kube/types.ts";
import type { OracleNamespace, OraclePod } from "../src/policy/types.ts";

/** A world with policies, and what must then be seen. Policies may have `$(namespace/pod)` for addresses (fill-in.ts). */
export interface PolicyStep {
  name: string;
  namespaces: OracleNamespace[];
  pods: OraclePod[];
  policies: NetworkPolicy[];
  cells: PolicyCell[];
}

/** Ends are `namespace/pod`. */
export interface PolicyCell {
  from: string;
  to: string;
  protocol: Protocol;
  port: number;
  isAllowed: boolean;
}
