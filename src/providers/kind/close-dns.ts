import { LabError } from "../../core/errors.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";

const COREFILE = { kind: "ConfigMap", namespace: "kube-system", name: "coredns" };
/** kubeadm writes it last of all, a few seconds after the API server answers. */
const APPEARS_MS = 60_000;

/**
 * Has cluster DNS answer NXDOMAIN for names outside the cluster instead of asking the Docker host's servers: a lab has no way
 * out, so that those would only time out, or tell of the place where the lab runs. CoreDNS reads it when it starts, which is
 * when the CNI is there.
 */
export async function closeDns(api: KubernetesApi, signal: AbortSignal): Promise<void> {
  const objects = await api.until(
    [COREFILE],
    (found) =>
      found.some(({ metadata }) => metadata.name === COREFILE.name)
        ? undefined
        : "kubeadm has not written the configuration of cluster DNS",
    {
      timeoutMs: APPEARS_MS,
      signal,
      timeout: (gap) => new LabError("KIND_CREATE_FAILED", `after ${APPEARS_MS / 1000} s, ${gap}`),
    },
  );
  const config = objects.find(({ metadata }) => metadata.name === COREFILE.name);
  const { Corefile = "" } = (config?.["data"] ?? {}) as { Corefile?: string };
  await api.patch(COREFILE, { data: { Corefile: closedCorefile(Corefile) } });
}

/**
 * kubeadm's Corefile with the cluster's zones as they were and a server for all others that knows no name. Two servers, because
 * CoreDNS asks `template` before `kubernetes`, whatever the order in the file (plugin.cfg). Throws DNS_CONFIG_UNEXPECTED.
 */
export function closedCorefile(corefile: string): string {
  const zones = /^(\s*)kubernetes (\S+(?: \S+)*) \{$/m.exec(corefile)?.[2]?.split(" ") ?? [];
  const changes: [RegExp, string][] = [
    [/^\.:53 \{$/m, `${zones.map((zone) => `${zone}:53`).join(" ")} {`],
    [/^\s*fallthrough [^\n]*\n/m, ""],
    [/^\s*forward \. \/etc\/resolv\.conf(?: \{[^}]*\})?\n/m, ""],
  ];
  if (zones.length === 0 || changes.some(([what]) => !what.test(corefile))) {
    throw new LabError("DNS_CONFIG_UNEXPECTED", "kubeadm's configuration of CoreDNS is not as expected", {
      hint: "this Kubernetes version configures cluster DNS in another way; please report it",
    });
  }
  const closed = changes.reduce((text, [what, by]) => text.replace(what, by), corefile);
  return `${closed.trimEnd()}\n.:53 {\n    errors\n    template ANY ANY . {\n        rcode NXDOMAIN\n    }\n}\n`;
}
