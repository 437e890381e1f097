import type Dockerode from "dockerode";
import { AGNHOST_IMAGE } from "../real/agnhost-image.ts";
import { LABELS } from "./names.ts";
import { STORE_PATH } from "./node-store.ts";

/**
 * Starts the host outside the cluster: on the lab's network, a web server on port 80. Probes of others reach it, and its namespace is
 * where `external` sources start. It also mounts the volume of the nodes'
 * images, which nodes use by its path, so that Docker knows of the use and `docker volume prune` spares it.
 */
export async function startExternal(
  docker: Dockerode,
  { cluster, lab, owner, volume }: { cluster: string; lab: string; owner: string; volume: string | undefined },
): Promise<void> {
  const container = await docker.createContainer({
    name: `${cluster}-external`,
    Image: AGNHOST_IMAGE,
    Hostname: "external",
    Labels: { [LABELS.lab]: lab, [LABELS.owner]: owner, [LABELS.role]: "external" },
    Cmd: ["netexec", "--http-port=80", "--udp-port=80"],
    HostConfig: {
      NetworkMode: cluster,
      // As kind's nodes: back after a restart of dockerd.
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 },
      Mounts: volume === undefined ? [] : [{ Type: "volume", Source: volume, Target: STORE_PATH, ReadOnly: true }],
    },
  });
  await container.start();
}
