import { DialTimeout } from "./upstream.ts";

/** What a client is told where its server gave no answer, and whether Traefik logs it as an error. */
export interface UpstreamFault {
  status: 500 | 502 | 504;
  /** Set where it is one of configuration: TLS where there is none, a certificate that nobody vouches for. */
  error?: string;
}

/** Codes of OpenSSL's verification (X509_verify_cert_error_string(3)) as Node gives them, and of Node's own check of the name. */
const CERTIFICATE =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID)/;

/** pkg/proxy/httputil ComputeStatusCode: a fault of the network is 502, or 504 where nobody answered at all; what is not HTTP is 500. */
export function upstreamFault(error: NodeJS.ErrnoException): UpstreamFault {
  const { code = "", message } = error;
  if (error instanceof DialTimeout || code === "ETIMEDOUT") return { status: 504 };
  if (CERTIFICATE.test(code))
    return { status: 500, error: `tls: failed to verify certificate: x509: ${certificateFault(code)}` };
  if (code === "EPROTO" || code.startsWith("ERR_SSL_"))
    return { status: 500, error: "http: server gave HTTP response to HTTPS client" };
  if (code.startsWith("HPE_") || error instanceof TypeError) return { status: 500, error: message };
  return { status: 502 };
}

function certificateFault(code: string): string {
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID")
    return "certificate has expired or is not yet valid";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "certificate is valid for other names";
  return "certificate signed by unknown authority";
}
