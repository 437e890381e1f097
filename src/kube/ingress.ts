import type { KubeObject } from "./types.ts";

/** networking.k8s.io/v1 IngressBackend: a Service's port by number or name. */
export interface IngressBackend {
  service?: { name: string; port?: { number?: number; name?: string } };
  resource?: unknown;
}

export interface IngressPath {
  path?: string;
  pathType?: string;
  backend: IngressBackend;
}

export interface IngressRule {
  host?: string;
  http?: { paths: IngressPath[] };
}

/** networking.k8s.io/v1 Ingress. */
export interface Ingress extends KubeObject {
  kind: "Ingress";
  spec: {
    ingressClassName?: string;
    defaultBackend?: IngressBackend;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: IngressRule[];
  };
  status?: { loadBalancer?: { ingress?: IngressAddress[] } };
}

/** Where an Ingress is reached, as its status has it. */
export interface IngressAddress {
  ip?: string;
  hostname?: string;
  ports?: { port: number; protocol: string }[];
}

/** networking.k8s.io/v1 IngressClass. */
export interface IngressClass extends KubeObject {
  kind: "IngressClass";
  spec: { controller: string; parameters?: unknown };
}

/** The annotation that named a class before `spec.ingressClassName`; it still counts where the field is not set. */
export const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

/** Of an IngressClass: Ingresses that name no class get it. */
export const DEFAULT_CLASS_ANNOTATION = "ingressclass.kubernetes.io/is-default-class";
