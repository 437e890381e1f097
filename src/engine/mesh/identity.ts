/** What identities of the mesh begin with: the domain of their trust. */
export const TRUST_DOMAIN = "cluster.local";

/** Who a workload is: the service account that its certificate names. */
export interface Identity {
  namespace: string;
  serviceAccount: string;
}

/** The SPIFFE ID of a service account (spiffe.io/docs/latest/spiffe-specs/spiffe-id). */
export function spiffeId({ namespace, serviceAccount }: Identity): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
}

/** The identity in a certificate's alternative names, as node:tls writes them (`URI:spiffe://…`); undefined where there is none. */
export function identityOf(subjectAltName: string | undefined): Identity | undefined {
  const match = /(?:^|, )URI:spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/,]+)/.exec(subjectAltName ?? "");
  const [, domain, namespace, serviceAccount] = match ?? [];
  if (domain !== TRUST_DOMAIN || namespace === undefined || serviceAccount === undefined) return undefined;
  return { namespace, serviceAccount };
}

/** As AuthorizationPolicies name it: the SPIFFE ID without its scheme. */
export function principalOf(identity: Identity): string {
  return spiffeId(identity).slice("spiffe://".length);
}
