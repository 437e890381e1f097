import { execFileSync } from "node:child_process";
import { rigEnvironment } from "./rig.ts";

/** Kubernetes' version as the rig's kubectl gives it: the node image's tag. */
export function kubernetesVersion(): string {
  const text = execFileSync("kubectl", ["version", "--client", "-o", "json"], {
    env: rigEnvironment,
    encoding: "utf8",
  });
  return (JSON.parse(text) as { clientVersion: { gitVersion: string } }).clientVersion.gitVersion;
}
