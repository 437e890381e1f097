import { redirectRules } from "../../../engine/mesh/redirect-rules.ts";
import { NetworkNamespace } from "../../../kernel/namespace.ts";
import { Nftables } from "../../../kernel/nftables.ts";

/** Makes the rules that lead a meshed pod's TCP through its sidecar, in the pod's own namespace. Throws KERNEL_NFT_REFUSED. */
export function redirectToSidecar(
  pod: string,
  { netnsFd, addresses }: { netnsFd: number; addresses: readonly string[] },
): void {
  const nft = new Nftables(NetworkNamespace.adopt(pod, netnsFd));
  try {
    nft.apply(redirectRules(addresses));
  } finally {
    nft.close();
  }
}
