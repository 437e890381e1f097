/** What a client needs to reach one lab's API. */
export interface ApiAccess {
  /** The lab's name. */
  lab: string;
  port: number;
  /** PEM. */
  certificate: string;
  token: string;
}

/** A kubeconfig with one context, `cnilab-LAB` (kubernetes.io/docs/reference/config-api/kubeconfig.v1); JSON, which is YAML, too. */
export function kubeconfig({ lab, port, certificate, token }: ApiAccess): string {
  const name = `cnilab-${lab}`;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: {
          server: `https://127.0.0.1:${port}`,
          "certificate-authority-data": Buffer.from(certificate).toString("base64"),
        },
      },
    ],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
