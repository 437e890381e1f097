import type { ServicePort } from "../../kube/types.ts";

/** `auto`: told by what the client sends first. */
export type PortProtocol = "http" | "tcp" | "auto";

/**
 * What a port of a Service carries, by its `appProtocol`, else by its name up to the first dash
 * (istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection). HTTP/2 and gRPC are carried as TCP here.
 */
export function portProtocol({
  name = "",
  ...port
}: Pick<ServicePort, "name"> & { appProtocol?: string }): PortProtocol {
  const [prefix = ""] = name.split("-");
  const protocol = (port.appProtocol ?? prefix).toLowerCase();
  switch (protocol) {
    case "http":
    case "grpc-web":
      return "http";
    case "http2":
    case "grpc":
    case "https":
    case "tls":
    case "tcp":
    case "mongo":
    case "mysql":
    case "redis":
    case "kubernetes.io/h2c":
      return "tcp";
    default:
      return "auto";
  }
}
