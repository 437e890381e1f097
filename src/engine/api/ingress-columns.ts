import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { firstThree, type ColumnSpec } from "./column.ts";

interface IngressSpec {
  ingressClassName?: string;
  tls?: unknown[];
  rules?: { host?: string }[];
}

const specOf = (object: KubeObject): IngressSpec => (isRecord(object["spec"]) ? (object["spec"] as IngressSpec) : {});

/** The columns of Ingresses between their name and their age. */
export const ingressColumns: readonly ColumnSpec[] = [
  { name: "Class", cell: (object) => specOf(object).ingressClassName ?? "<none>" },
  { name: "Hosts", cell: (object) => hosts(specOf(object)) },
  { name: "Address", cell: addresses },
  { name: "Ports", cell: (object) => ((specOf(object).tls ?? []).length === 0 ? "80" : "80, 443") },
];

/** The same of IngressClasses. */
export const ingressClassColumns: readonly ColumnSpec[] = [
  { name: "Controller", cell: (object) => (object["spec"] as { controller?: string } | undefined)?.controller ?? "" },
  { name: "Parameters", cell: parameters },
];

/** The first three hosts; any host where no rule names one. */
function hosts({ rules = [] }: IngressSpec): string {
  const named = rules.flatMap(({ host }) => (host === undefined || host === "" ? [] : [host]));
  return firstThree(named, "*");
}

function addresses(object: KubeObject): string {
  const status = object["status"] as { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } } | undefined;
  return (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? "").join(",");
}

function parameters(object: KubeObject): string {
  const { parameters: given } = (object["spec"] ?? {}) as {
    parameters?: { kind: string; name: string; apiGroup?: string };
  };
  if (given === undefined) return "<none>";
  return `${given.kind}${given.apiGroup === undefined ? "" : `.${given.apiGroup}`}/${given.name}`;
}
