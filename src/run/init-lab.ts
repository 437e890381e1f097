import { writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { LabError } from "../core/errors.ts";
import { quoteWord } from "../core/shell-word.ts";
import { makeFolder } from "./make-folder.ts";
import { isLabName } from "./state-directory.ts";

/**
 * Writes a small lab that works into a folder and returns the files, as the folder was named. Never overwrites: throws
 * LAB_EXISTS; LAB_NAME_INVALID when the folder's name cannot be a lab's.
 */
export async function initLab(folder: string): Promise<string[]> {
  const name = basename(resolve(folder));
  if (!isLabName(name)) {
    throw new LabError("LAB_NAME_INVALID", `a lab cannot be called ${JSON.stringify(name)}`, {
      hint: "the folder's name becomes the lab's: lower-case letters, digits and hyphens",
    });
  }
  const files = Object.entries(templates(name));
  for (const [file, text] of files) {
    const path = join(folder, file);
    try {
      makeFolder(dirname(path));
      await writeFile(path, text, { flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") {
        throw new LabError("LAB_EXISTS", `${path} is there already; nothing was overwritten`, {
          hint: "name another folder",
        });
      }
      throw new LabError("LAB_UNWRITABLE", `cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  return files.map(([file]) => join(folder, file));
}

/** What to type to run the lab of a folder. */
export function runCommand(folder: string): string {
  return `cnilab run ${quoteWord(folder)}`;
}

function templates(name: string): Record<string, string> {
  return {
    "lab.yaml": `apiVersion: cnilab.dev/v1alpha1
kind: Lab
metadata:
  name: ${name}
  title: Only clients with the label may reach the server
topology: two-workers
cni: calico
scenario:
  - apply: manifests/app.yaml
  - wait: { for: deployment/server, namespace: app, condition: available, timeout: 30s }
  - wait: { for: deployment/client, namespace: app, condition: available, timeout: 30s }
  - wait: { for: deployment/stranger, namespace: app, condition: available, timeout: 30s }
probes:
  - name: a client reaches the server
    from: app/deployment/client
    curl: { url: http://server.app/ }
    expect: { status: 200 }
  - name: a stranger does not
    from: app/deployment/stranger
    tcp: { to: app/service/server, port: 80 }
    expect: blocked
    points: 5
    hint: Which pods should the policy select, and whom does its from list?
tasks:
  - text: Only pods with the label access=server may reach the server.
    probes: [a client reaches the server, a stranger does not]
    solution: solution/policy.yaml
`,
    "manifests/app.yaml": namespaceAndService + ["server", "client", "stranger"].map(deployment).join("---\n"),
    "solution/policy.yaml": `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: server-from-clients, namespace: app }
spec:
  podSelector: { matchLabels: { app: server } }
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: { matchLabels: { access: server } }
`,
    "README.md": `# ${name}

What this lab teaches, in a sentence or two.

    cnilab up .                               # make it
    cnilab apply . -f solution/policy.yaml    # solve it
    cnilab grade .                            # grade it
    cnilab down .                             # remove it
`,
  };
}

const namespaceAndService = `apiVersion: v1
kind: Namespace
metadata: { name: app }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: app }
spec:
  selector: { app: server }
  ports: [{ port: 80 }]
---
`;

function deployment(name: string): string {
  const labels = name === "client" ? "{ app: client, access: server }" : `{ app: ${name} }`;
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: app }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: ${labels} }
    spec:
      containers:
        - name: ${name}
          image: nginx:1.27
          ports: [{ containerPort: 80 }]
`;
}
